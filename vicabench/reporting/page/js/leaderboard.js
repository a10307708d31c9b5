// The leaderboard shows one protocol at a time; printed rows belong to all of them.

function showProtocol(name) {
  for (const row of document.querySelectorAll("tr[data-protocol]")) {
    const own = row.dataset.protocol;
    row.hidden = name !== "" && own !== "" && own !== name;
  }
}

const chosen = byId("protocol");
if (chosen) {
  chosen.addEventListener("change", () => showProtocol(chosen.value));
  showProtocol(chosen.value);
  byId("choice").hidden = false;
}
