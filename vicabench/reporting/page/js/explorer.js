// The explorer: filters above, the list on one side, the question on the other.

function startExplorer() {
  const form = byId("filters");
  const view = byId("question");
  const list = createList(byId("list"), (place) => open(place, true));
  let { state, id } = readAddress();
  let shown = null; // the question in view
  let protocol = null; // and the protocol by which it is scored there

  function fillForm() {
    if (!DATA.videos.includes(state.video)) state.video = FIRST.video;
    for (const field of form.elements) {
      if (field.name) field.value = state[field.name];
      // A value from the address that is none of the choices falls back to the first.
      if (field.name && field.value !== state[field.name]) {
        field.value = state[field.name] = FIRST[field.name];
      }
    }
  }

  function apply(keep) {
    const found = matching(state);
    list.show(found, Number(state.protocol));
    const same = found.length === TOTAL;
    byId("found").textContent = (same ? "" : `${count.format(found.length)} of `)
      + plural(TOTAL, "question") + (state.video && ` about ${state.video}`);
    byId("none").hidden = found.length > 0;
    byId("reset").disabled = Object.keys(FIRST).every((name) => state[name] === FIRST[name]);
    const place = found.indexOf(keep ?? -1);
    if (found.length) open(Math.max(0, place), false);
    else close();
  }

  // Show the question at this place of the list; `chosen` by the reader, not only at hand.
  function open(place, chosen) {
    list.select(place);
    const q = list.at(place);
    if (q !== shown || state.protocol !== protocol) {
      view.replaceChildren(...questionView(q, Number(state.protocol), {
        sameVideo: () => change({ ...FIRST, protocol: state.protocol, video: videoOf(q) }),
      }));
      view.scrollTop = 0;
    }
    shown = q;
    protocol = state.protocol;
    byId("place").textContent = `${count.format(place + 1)} of ${count.format(list.length)}`;
    if (chosen) {
      byId("explorer").classList.add("open");
      byId("missing").hidden = true;
    }
    if (chosen || id !== null) writeAddress(state, (id = DATA.id[q]));
    else writeAddress(state, null);
  }

  function close() {
    shown = null;
    byId("place").textContent = "";
    view.replaceChildren(make("p", { class: "note" }, "No question is selected."));
    writeAddress(state, null);
  }

  function change(wanted) {
    state = { ...wanted };
    fillForm();
    apply(shown);
  }

  // A link to a question shows it, whatever filters came with it.
  function fromAddress() {
    ({ state, id } = readAddress());
    fillForm();
    const q = PLACE.get(id);
    if (q !== undefined && !matching(state).includes(q)) state = { ...FIRST };
    fillForm();
    byId("missing").hidden = id === null || q !== undefined;
    if (q === undefined) id = null;
    apply(q);
    if (q !== undefined) {
      byId("explorer").classList.add("open");
      byId("explorer").scrollIntoView();
    }
  }

  let typing = 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    cancelAnimationFrame(typing);
    typing = requestAnimationFrame(() => {
      for (const field of form.elements) if (field.name) state[field.name] = field.value;
      apply(shown);
    });
  });
  byId("reset").addEventListener("click", () => change(FIRST));
  window.addEventListener("hashchange", () => namesView() && fromAddress());
  fromAddress();
  return {
    move: (step) => list.length && open(
      Math.min(list.length - 1, Math.max(0, list.current + step)), true),
    jump: (place) => list.length && open(place < 0 ? list.length - 1 : place, true),
    enter: () => byId("question-title")?.focus(),
    leave() {
      byId("explorer").classList.remove("open");
      byId("list").focus();
    },
  };
}
