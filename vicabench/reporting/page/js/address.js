// The address after `#`: the question and the filters, so that a view can be sent to someone.

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

function writeAddress(state, id) {
  history.replaceState(null, "", addressOf(state, id));
}
