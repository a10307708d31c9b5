// The data blocks of the page, each parsed on first use.

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

// The frames of a video: {seconds, images} with base64 JPEGs, {error}, or null for a page without frames.
function frames(video) {
  const known = stripOf();
  if (!known.has(video)) known.set(video, block(`frames-${video}`));
  return known.get(video);
}

// The searched text of each question: its words, and all replies with their thoughts.
const haystacks = once(() => {
  const replies = RUNS.map((run) => run.replies());
  return DATA.id.map((id, q) => {
    const own = [id, videoOf(q), DATA.text[q], ...(DATA.options[q] ?? [])];
    const given = replies.flatMap((run) => [run.reply[q], run.error[q], run.thoughts[q]]);
    return [...own, ...given].filter(Boolean).join("\n").toLowerCase();
  });
});

// The strip of frames of a video, which the browser decodes when it comes into view.

function strip(video) {
  const found = frames(video);
  if (found === null) return null;
  if (found.error) return make("p", { class: "note" }, `No frames: ${found.error}`);
  const images = found.images.map((image, place) => {
    const when = `${found.seconds[place].toFixed(1)} s`;
    return make("li", {},
      make("img", { src: `data:image/jpeg;base64,${image}`, alt: `Frame at ${when}`,
                    width: found.width, height: found.height, loading: "lazy",
                    decoding: "async" }),
      make("span", { "aria-hidden": "true" }, when));
  });
  return make("ol", { class: "strip", tabindex: "0", "aria-label": `${images.length} frames` },
    ...images);
}

// The reply of each model to one question, the answer read from it, and the score.

function answerCard(r, p, q) {
  const run = RUNS[r];
  const card = make("article", { class: "answer", "aria-label": run.name },
    make("header", {}, scoreChip(r, p, q), make("h4", {}, run.name)));
  if (!asked(r, q)) {
    card.append(make("p", { class: "note" }, "This run was not asked this question."));
    return card;
  }
  card.append(readings(r, q), ...replyParts(run.replies(), q), facts(run.replies(), q));
  return card;
}

function readings(r, q) {
  const lines = DATA.protocols.map((protocol, p) => {
    const { read, score, outcome } = RUNS[r].graded[p];
    const value = read[q] === null ? make("em", {}, DATA.outcomes[outcome[q]])
      : make("bdi", {}, withUnit(q, read[q]));
    return make("div", {},
      make("dt", {}, DATA.protocols.length > 1 ? protocol : "read"),
      make("dd", {}, value, ` scores ${score[q]}`, make("span", {}, beside(q, read[q]))));
  });
  return make("dl", { class: "readings" }, ...lines);
}

const withUnit = (q, text) => (taskOf(q).numeric ? `${text} ${taskOf(q).unit}` : text);

// The error of a numeric answer, in words; empty for letters.
function beside(q, read) {
  if (!taskOf(q).numeric || read === null) return "";
  const share = Number(read) / Number(DATA.truth[q]);
  if (!Number.isFinite(share)) return "";
  return share === 1 ? ", exact" : `, ${Number(share.toPrecision(3))} × the truth`;
}

function replyParts(replies, q) {
  const parts = [];
  const thoughts = replies.thoughts[q];
  if (thoughts) {
    const words = plural(thoughts.split(/\s+/).length, "word");
    parts.push(make("details", {}, make("summary", {}, `Thoughts (${words})`),
      make("pre", { dir: "auto" }, thoughts)));
  }
  if (replies.error[q] !== null) {
    parts.push(make("p", { class: "failure" }, make("strong", {}, "Failed: "), replies.error[q]));
  } else {
    const text = replies.reply[q];
    parts.push(make("pre", { class: "reply", dir: "auto" },
      text === "" ? make("em", {}, "an empty reply") : text));
  }
  if (replies.cut[q]) {
    parts.push(make("p", { class: "note" }, `Shortened here: the whole reply has `
      + `${plural(replies.cut[q], "character")} and is in the run's predictions.jsonl.`));
  }
  return parts;
}

function facts(replies, q) {
  const [stop, tokens, seconds] = replies.facts[q] ?? [null, null, null];
  const words = [
    tokens === null ? null : plural(tokens, "new token"),
    stop === null ? null : `ended by ${stop}`,
    seconds === null ? null : `${Number(seconds < 1 ? seconds.toPrecision(2) : seconds.toFixed(1))} s`,
  ].filter(Boolean);
  return words.length ? make("p", { class: "facts" }, words.join(" · ")) : "";
}

// One question in full: frames, text, options, truth, and answers.

function questionView(q, protocol, act) {
  const video = DATA.video[q];
  const task = taskOf(q);
  return [
    make("header", { class: "question-head" },
      make("p", { class: "facts" }, `${DATA.kinds[DATA.kind[q]].name} · `,
        button(videoOf(q), act.sameVideo, { class: "link", title: "All questions about it" })),
      make("h3", { id: "question-title", tabindex: "-1" }, `Question ${DATA.id[q]}`),
      copyButton(q)),
    ...[strip(video)].filter(Boolean),
    make("p", { class: "question-text", dir: "auto" }, DATA.text[q]),
    truth(q, task),
    make("div", { class: "answers" }, ...RUNS.map((_, r) => answerCard(r, protocol, q))),
  ];
}

function truth(q, task) {
  const options = DATA.options[q];
  const answer = DATA.truth[q];
  if (answer === "") {
    return make("p", { class: "truth note" }, "No run was asked this question yet.");
  }
  if (task.numeric || !options) {
    return make("p", { class: "truth" }, "Ground truth: ",
      make("strong", {}, withUnit(q, answer)));
  }
  const letters = optionLetters(options);
  const lines = options.map((option, place) => {
    const right = letters[place] === answer.toUpperCase();
    return make("li", { class: right ? "right" : null }, option,
      right ? make("span", { class: "tag" }, "ground truth") : null);
  });
  return make("ul", { class: "options" }, ...lines);
}

// The letters of options such as `A. left`; letters in order for options without any.
function optionLetters(options) {
  const spelt = options.map((option) => /^\s*\(?([A-Za-z])\s*[.):]/.exec(option)?.[1]);
  if (spelt.every(Boolean)) return spelt.map((letter) => letter.toUpperCase());
  return options.map((_, place) => String.fromCharCode(65 + place));
}

function copyButton(q) {
  const node = button("Copy link", async () => {
    const link = location.href.split("#", 1)[0] + addressOf(FIRST, DATA.id[q]);
    try {
      await navigator.clipboard.writeText(link);
      node.textContent = "Copied";
    } catch {
      location.hash = addressOf(FIRST, DATA.id[q]);
      node.textContent = "In the address bar";
    }
  }, { class: "quiet" });
  return node;
}
