// The data blocks of the page. Each is parsed when it is first needed.

function block(id) {
  const node = byId(id);
  return node === null ? null : JSON.parse(node.textContent);
}

function once(load) {
  let value;
  return () => (value ??= load());
}

const DATA = block("questions");
const RUNS = DATA.runs.map((name, r) => ({
  name,
  // Columns over all questions, by protocol: score (null: not in this run), read, outcome.
  graded: block(`grades-${r}`),
  replies: once(() => block(`replies-${r}`)),
}));
const TOTAL = DATA.id.length;
const PLACE = new Map(DATA.id.map((id, q) => [id, q]));

const taskOf = (q) => DATA.tasks[DATA.kinds[DATA.kind[q]].task];
const videoOf = (q) => DATA.videos[DATA.video[q]];
const scoreOf = (r, p, q) => RUNS[r].graded[p].score[q];
const asked = (r, q) => scoreOf(r, 0, q) !== null;

const stripOf = once(() => new Map());

// The frames of a video: {seconds, images} with base64 JPEGs, {error}, or null for a light page.
function frames(video) {
  const known = stripOf();
  if (!known.has(video)) known.set(video, block(`frames-${video}`));
  return known.get(video);
}

// What a search looks through, per question: its words, and every reply to it, thoughts included.
const haystacks = once(() => {
  const replies = RUNS.map((run) => run.replies());
  return DATA.id.map((id, q) => {
    const own = [id, videoOf(q), DATA.text[q], ...(DATA.options[q] ?? [])];
    const given = replies.flatMap((run) => [run.reply[q], run.error[q], run.thoughts[q]]);
    return [...own, ...given].filter(Boolean).join("\n").toLowerCase();
  });
});
