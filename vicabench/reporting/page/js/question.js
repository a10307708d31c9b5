// One question in full: frames, text, options, truth, and the answers to it.

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

// The letters that options begin with, as in `A. left`; their order where they have none.
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
