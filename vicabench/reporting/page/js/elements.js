// Creation of elements. Text always stays text: nothing here parses HTML.

const byId = (id) => document.getElementById(id);

// make("p", { class: "note" }, "text", child): attributes, then children; null is skipped.
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function button(label, act, attributes = {}) {
  const node = make("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", act);
  return node;
}

const count = new Intl.NumberFormat("en");

function plural(number, one, many = one + "s") {
  return `${count.format(number)} ${number === 1 ? one : many}`;
}

function startTheme() {
  const node = byId("theme");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const label = () => { node.textContent = isDark() ? "Light theme" : "Dark theme"; };
  node.addEventListener("click", () => {
    setTheme(isDark() ? "light" : "dark");
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
  node.hidden = false;
}
