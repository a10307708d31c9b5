// The list of questions: only the rows in sight exist, so thousands cost as little as ten.

const ROW = 64; // pixels; the stylesheet has the same height
const BEYOND = 6; // rows kept ready above and below
const CHIPS = 6; // more models than this get bare colours

function scoreChip(score, words) {
  if (score === null || score === undefined) {
    return make("span", { class: "chip none", title: `${words}: not asked` }, "–");
  }
  const text = score === 1 ? "✓" : score === 0 ? "✗" : score.toFixed(1).slice(1);
  return make("span", { class: `chip s${Math.round(10 * score)}`, title: `${words}: ${score}` },
    text);
}

function createList(box, choose) {
  const inner = box.firstElementChild;
  let rows = [];
  let current = -1;
  let protocol = 0;

  function row(place) {
    const q = rows[place];
    const chips = RUNS.map((run, r) => scoreChip(scoreOf(r, protocol, q), run.name));
    const node = make(
      "div",
      { id: `row-${place}`, role: "option", class: "row", "aria-posinset": place + 1,
        "aria-setsize": rows.length, "aria-selected": String(place === current) },
      make("span", { class: "row-text" }, DATA.text[q]),
      make("span", { class: "row-facts" },
        make("span", { class: "row-task" }, taskOf(q).title),
        make("span", { class: "row-id" }, `${DATA.id[q]} · ${videoOf(q)}`)),
      make("span", { class: RUNS.length > CHIPS ? "chips bare" : "chips",
                     "aria-label": RUNS.map((run, r) => scoreWords(r, protocol, q)).join(", ") },
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
      const top = place * ROW;
      if (place >= 0 && top < box.scrollTop) box.scrollTop = top;
      else if (place >= 0 && top + ROW > box.scrollTop + box.clientHeight) {
        box.scrollTop = top + ROW - box.clientHeight;
      }
      draw();
    },
  };
}

function scoreWords(r, p, q) {
  const score = scoreOf(r, p, q);
  return `${RUNS[r].name} ${score === null ? "not asked" : score}`;
}
