// The list of questions: only the rows in sight exist, so thousands cost as little as ten.

const ROW = 64; // pixels; the stylesheet has the same height
const BEYOND = 6; // rows kept ready above and below
const CHIPS = 6; // more models than this get bare colours

// ✓ right, ✗ wrong, .4 in part, ! nothing that could be graded, – not asked.
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
      make("span", { class: "row-text" }, DATA.text[q]),
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

  // Scroll no more than needed; to a row far away, so that its neighbours are seen as well.
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

function scoreWords(r, p, q) {
  const { score, outcome } = RUNS[r].graded[p];
  if (score[q] === null) return `${RUNS[r].name}: not asked`;
  const why = outcome[q] === 0 ? "" : `, ${DATA.outcomes[outcome[q]]}`;
  return `${RUNS[r].name}: ${score[q]}${why}`;
}
