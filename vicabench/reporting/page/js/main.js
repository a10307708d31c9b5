function startTheme() {
  const node = byId("theme");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const label = () => node.setAttribute("aria-pressed", String(isDark()));
  node.addEventListener("click", () => {
    setTheme(isDark() ? "light" : "dark");
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
  node.hidden = false;
}

startTheme();
startKeys(startExplorer());
