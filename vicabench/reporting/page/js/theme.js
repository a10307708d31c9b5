// Runs before the first paint, so that the chosen theme does not flash.
// Storage may be blocked (a local file in a strict browser); the choice then lasts for the page.
const THEME = "vicabench-theme";

function storedTheme() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem(THEME, name);
  } catch {
    // The choice is just not remembered.
  }
}

const storedName = storedTheme();
if (storedName === "dark" || storedName === "light") {
  document.documentElement.dataset.theme = storedName;
}
