// The keyboard: j k or arrows in the list, / to search, Enter to read, Escape to go back.

function startKeys(explorer) {
  const PAGE = 8;
  const steps = {
    j: () => explorer.move(1), ArrowDown: () => explorer.move(1),
    k: () => explorer.move(-1), ArrowUp: () => explorer.move(-1),
    PageDown: () => explorer.move(PAGE), PageUp: () => explorer.move(-PAGE),
    Home: () => explorer.jump(0), End: () => explorer.jump(-1),
    Enter: () => explorer.enter(),
  };
  const inField = (target) => target.closest("input, select, textarea") !== null;
  const letters = new Set(["j", "k"]); // these work beside the question too

  const takes = (target, key) => target.id === "list"
    || (letters.has(key) && byId("explorer").contains(target));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape") {
      if (byId("explorer").contains(target)) explorer.leave();
    } else if (inField(target)) {
      if (event.key === "Enter" && target.id === "search") byId("list").focus();
    } else if (event.key === "/") {
      event.preventDefault();
      byId("search").focus();
      byId("search").select();
    } else if (steps[event.key] && takes(target, event.key)) {
      event.preventDefault();
      steps[event.key]();
    }
  });
  byId("back").addEventListener("click", () => explorer.leave());
  byId("previous").addEventListener("click", () => explorer.move(-1));
  byId("next").addEventListener("click", () => explorer.move(1));
}
