// Runs before anything is painted, so that a chosen theme does not flash.
// Storage may be refused (a file opened in a strict browser): then the choice lasts for this page.
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
    // Nothing depends on it.
  }
}

const storedName = storedTheme();
if (storedName === "dark" || storedName === "light") {
  document.documentElement.dataset.theme = storedName;
}
