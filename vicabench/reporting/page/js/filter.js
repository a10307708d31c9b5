// Which questions are shown, and in which order.

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

// By how much a run scores more than the one it is compared with; NaN unless both were asked.
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

// The mean ratio of number to truth; multiple choice, which has none, comes last either way.
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
    keys[q] = Number.isNaN(value) ? Infinity : value; // what has no key comes last
  }
  const before = (q, other) => (keys[q] < keys[other] ? -1 : keys[q] > keys[other] ? 1 : q - other);
  return found.sort(before);
}
