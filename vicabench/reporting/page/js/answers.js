// What each model answered to one question: its reply, what was read from it, and the score.

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

// How far a number is from the truth, in words; nothing for a letter.
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
    seconds === null ? null : `${seconds} s`,
  ].filter(Boolean);
  return words.length ? make("p", { class: "facts" }, words.join(" · ")) : "";
}
