// Filters and order of the list of questions.

const FIRST = { task: "", dataset: "", video: "", model: "", result: "", outcome: "", differ: "",
                protocol: "0", sort: "", text: "" };

function chosenRuns(state) {
  return state.model === "" ? RUNS.map((_, r) => r) : [Number(state.model)];
}

function scores(runs, p, q) {
  return runs.map((r) => scoreOf(r, p, q)).filter((score) => score !== null);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values) => (values.length ? Math.max(...values) - Math.min(...values) : 0);

const RESULTS = {
  right: (score) => score === 1,
  part: (score) => score > 0 && score < 1,
  wrong: (score) => score === 0,
};

const DIFFERENCES = {
  models: (q, runs, p) => spread(scores(RUNS.map((_, r) => r), p, q)) > 0,
  protocols: (q, runs) => runs.some(
    (r) => asked(r, q) && spread(DATA.protocols.map((_, p) => scoreOf(r, p, q))) > 0),
  better: (q, runs, p) => runs.some((r) => beyondBase(r, p, q) > 0),
  worse: (q, runs, p) => runs.some((r) => beyondBase(r, p, q) < 0),
};

// The score of a run minus that of the reference run; NaN unless both were asked.
function beyondBase(r, p, q) {
  if (!asked(r, q) || !asked(DATA.base, q)) return NaN;
  return scoreOf(r, p, q) - scoreOf(DATA.base, p, q);
}

function tests(state) {
  const runs = chosenRuns(state);
  const p = Number(state.protocol);
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [];
  if (state.task) all.push((q) => taskOf(q).name === state.task);
  if (state.dataset) all.push((q) => datasetOf(q) === state.dataset);
  if (state.video) all.push((q) => videoOf(q) === state.video);
  if (state.model) all.push((q) => asked(runs[0], q));
  if (state.result) all.push((q) => RESULTS[state.result](mean(scores(runs, p, q))));
  if (state.outcome) {
    const wanted = DATA.outcomes.indexOf(state.outcome);
    all.push((q) => runs.some((r) => RUNS[r].graded[p].outcome[q] === wanted));
  }
  if (state.differ) all.push((q) => DIFFERENCES[state.differ](q, runs, p));
  if (words.length) {
    const texts = haystacks();
    all.push((q) => words.every((word) => texts[q].includes(word)));
  }
  return all;
}

const datasetOf = (q) => videoOf(q).split("/", 1)[0];

// Keys to sort by, smallest first; null keeps the benchmark's order.
function sortKey(state) {
  const runs = chosenRuns(state);
  const p = Number(state.protocol);
  const everyone = RUNS.map((_, r) => r);
  const keys = {
    hard: (q) => mean(scores(runs, p, q)),
    easy: (q) => -mean(scores(runs, p, q)),
    spread: (q) => -spread(scores(everyone, p, q)),
    long: (q) => -Math.max(0, ...runs.map((r) => RUNS[r].replies().length[q] ?? 0)),
    over: (q) => -ratio(runs, p, q),
    under: (q) => ratio(runs, p, q),
  };
  return keys[state.sort] ?? null;
}

// The mean ratio of number to truth; multiple choice has none and always comes last.
function ratio(runs, p, q) {
  if (!taskOf(q).numeric) return NaN;
  const truth = Number(DATA.truth[q]);
  let sum = 0;
  let found = 0;
  for (const r of runs) {
    const read = RUNS[r].graded[p].read[q];
    if (read === null) continue;
    sum += Number(read) / truth;
    found += 1;
  }
  return sum / found;
}

function matching(state) {
  const all = tests(state);
  const found = [];
  for (let q = 0; q < TOTAL; q++) if (all.every((test) => test(q))) found.push(q);
  const key = sortKey(state);
  if (key === null) return found;
  const keys = new Float64Array(TOTAL);
  for (const q of found) {
    const value = key(q);
    keys[q] = Number.isNaN(value) ? Infinity : value; // questions without a key come last
  }
  const before = (q, other) => (keys[q] < keys[other] ? -1 : keys[q] > keys[other] ? 1 : q - other);
  return found.sort(before);
}

// The address after `#` holds the question and the filters, so that a view can be shared.

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { ...FIRST };
  for (const name of Object.keys(FIRST)) {
    if (given.has(name)) state[name] = given.get(name);
  }
  return { state, id: given.get("q") };
}

function addressOf(state, id) {
  const shown = new URLSearchParams();
  if (id !== null) shown.set("q", id);
  for (const [name, value] of Object.entries(state)) {
    if (value !== FIRST[name]) shown.set(name, value);
  }
  return "#" + shown.toString();
}

// The address may also name a section of the page, which the explorer ignores.
const namesView = () => location.hash.includes("=");

function writeAddress(state, id) {
  const wanted = addressOf(state, id);
  if (wanted !== "#" || namesView()) history.replaceState(null, "", wanted);
}

// The list of questions: only visible rows exist, so that long lists stay fast.

const ROW = 64; // pixels; the stylesheet has the same height
const BEYOND = 6; // extra rows above and below the visible ones
const LONG = 20; // characters of a beginning that is left out
const CHIPS = 6; // with more models, only colours are shown

// ✓ right, ✗ wrong, .4 partly right, ! nothing gradable, – not asked.
function scoreChip(r, p, q) {
  const { score: { [q]: score }, outcome: { [q]: outcome } } = RUNS[r].graded[p];
  const title = scoreWords(r, p, q);
  if (score === null) return make("span", { class: "chip none", title }, "–");
  const wrong = outcome === 0 ? "✗" : "!";
  const text = score === 1 ? "✓" : score === 0 ? wrong : score.toFixed(1).slice(1);
  return make("span", { class: `chip s${Math.round(10 * score)}`, title }, text);
}

function createList(box, choose) {
  const inner = box.firstElementChild;
  let rows = [];
  let current = -1;
  let protocol = 0;

  function row(place) {
    const q = rows[place];
    const chips = RUNS.map((_, r) => scoreChip(r, protocol, q));
    const node = make(
      "div",
      { id: `row-${place}`, role: "option", class: "row", "aria-posinset": place + 1,
        "aria-setsize": rows.length, "aria-selected": String(place === current) },
      make("span", { class: "row-text", title: DATA.text[q] }, titles()[q]),
      make("span", { class: "row-facts" },
        make("span", { class: "row-task" }, taskOf(q).title),
        make("span", { class: "row-id" }, `${DATA.id[q]} · ${videoOf(q)}`)),
      make("span", { class: RUNS.length > CHIPS ? "chips bare" : "chips",
                     "aria-label": RUNS.map((_, r) => scoreWords(r, protocol, q)).join(", ") },
        ...chips),
    );
    node.style.top = `${place * ROW}px`;
    node.addEventListener("click", () => choose(place));
    return node;
  }

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + BEYOND);
    const shown = [];
    for (let place = first; place < last; place++) shown.push(row(place));
    inner.replaceChildren(...shown);
    const there = current >= first && current < last;
    if (there) box.setAttribute("aria-activedescendant", `row-${current}`);
    else box.removeAttribute("aria-activedescendant");
  }

  // Scroll as little as needed; if the row is far away, also show its neighbours.
  function reveal(top) {
    const below = top + ROW - box.scrollTop - box.clientHeight;
    const above = box.scrollTop - top;
    if (Math.max(above, below) > 2 * ROW) box.scrollTop = top - (box.clientHeight - ROW) / 2;
    else if (above > 0) box.scrollTop = top;
    else if (below > 0) box.scrollTop += below;
  }

  let waiting = false;
  function drawSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }
  box.addEventListener("scroll", drawSoon, { passive: true });
  new ResizeObserver(drawSoon).observe(box);

  return {
    get length() { return rows.length; },
    get current() { return current; },
    at: (place) => rows[place],
    show(found, shownProtocol) {
      rows = found;
      protocol = shownProtocol;
      inner.style.height = `${rows.length * ROW}px`;
      current = -1;
      box.scrollTop = 0;
      draw();
    },
    select(place) {
      current = place;
      reveal(place * ROW);
      draw();
    },
  };
}

// The texts of the questions without the beginning that all questions of their type share.
const titles = once(() => {
  const starts = new Map();
  DATA.text.forEach((text, q) => {
    const known = starts.get(DATA.kind[q]);
    starts.set(DATA.kind[q], known === undefined ? text : sharedStart(known, text));
  });
  return DATA.text.map((text, q) => {
    const start = starts.get(DATA.kind[q]).replace(/[^\s(]*$/, ""); // no word is cut
    return start.length < LONG || start.length >= text.length ? text : `… ${text.slice(start.length)}`;
  });
});

function sharedStart(one, other) {
  let end = 0;
  while (end < one.length && one[end] === other[end]) end += 1;
  return one.slice(0, end);
}

function scoreWords(r, p, q) {
  const { score, outcome } = RUNS[r].graded[p];
  if (score[q] === null) return `${RUNS[r].name}: not asked`;
  const why = outcome[q] === 0 ? "" : `, ${DATA.outcomes[outcome[q]]}`;
  return `${RUNS[r].name}: ${score[q]}${why}`;
}

// The explorer: filters above, the list on one side, the question on the other.

function startExplorer() {
  const form = byId("filters");
  const view = byId("question");
  const list = createList(byId("list"), (place) => open(place, true));
  let { state, id } = readAddress();
  let shown = null; // the question in view
  let protocol = null; // and the protocol of its scores

  function fillForm() {
    if (!DATA.videos.includes(state.video)) state.video = FIRST.video;
    for (const field of form.elements) {
      if (field.name) field.value = state[field.name];
      // An unknown value in the address falls back to the first choice.
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

  // Show the question at this index of the list; `chosen`: the reader selected it.
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

  // A link to a question shows it even if the filters of the link exclude it.
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
  form.addEventListener("input", (event) => {
    cancelAnimationFrame(typing);
    typing = requestAnimationFrame(() => {
      for (const field of form.elements) if (field.name) state[field.name] = field.value;
      const sorted = event.target.name === "sort"; // then the first question is the one to read
      if (sorted) id = null;
      apply(sorted ? null : shown);
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
  const letters = new Set(["j", "k"]); // these also work while the question has the focus

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

startTheme();
startTables();
startKeys(startExplorer());
