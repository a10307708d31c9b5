// Tables sort by a click on the title of a column, or by Enter or space on it.

const NUMERIC = /^[<+-]?[\d.]+%?$/;

// What a cell is sorted by: its number without the interval, or its words; NaN without a value.
function sortValue(cell) {
  const shown = (cell.querySelector(".mean") ?? cell).textContent.trim();
  const plain = shown.replace(/,/g, "").replace("\u2212", "-");
  if (NUMERIC.test(plain)) return Number(plain.replace(/[<+%]/g, ""));
  return shown === "" || shown === "\u2013" || shown === "n/a" ? NaN : shown;
}

// Rows without a value come last in either direction.
function compareValues(one, other, sign) {
  const missing = Number(Number.isNaN(one)) - Number(Number.isNaN(other));
  if (missing !== 0 || Number.isNaN(one)) return missing;
  if (typeof one === "number" && typeof other === "number") return sign * (one - other);
  return sign * String(one).localeCompare(String(other), "en", { numeric: true });
}

// The rows between those that count questions and videos, which stay below the runs they are about.
function partsOf(table) {
  const parts = [[]];
  for (const row of table.querySelectorAll("tbody tr")) {
    if (row.classList.contains("published")) parts[0].push(row);
    else if (!row.classList.contains("sizes")) parts.at(-1).push(row);
    else if (parts.at(-1).length) parts.push([]);
  }
  return parts.filter((part) => part.length);
}

function sortTable(table, head) {
  const column = [...head.parentElement.children].indexOf(head);
  const parts = partsOf(table);
  const values = new Map(parts.flat().map((row) => [row, sortValue(row.children[column])]));
  const words = [...values.values()].some((value) => typeof value === "string");
  const before = head.getAttribute("aria-sort");
  const up = before === null ? words : before === "descending";
  for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  for (const part of parts) {
    const place = document.createComment("");
    part[0].before(place);
    part.sort((a, b) => compareValues(values.get(a), values.get(b), up ? 1 : -1));
    place.replaceWith(...part);
  }
}

function startTables() {
  for (const table of document.querySelectorAll(".sheet table")) {
    if (Math.max(...partsOf(table).map((part) => part.length)) < 2) continue;
    for (const head of table.querySelectorAll("thead th")) {
      const label = head.textContent.trim();
      head.replaceChildren(button(label, () => sortTable(table, head), { class: "sort" }));
    }
  }
}
