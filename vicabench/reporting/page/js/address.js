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

// The address may also name a section of the page, which is nothing to the explorer.
const namesView = () => location.hash.includes("=");

function writeAddress(state, id) {
  const wanted = addressOf(state, id);
  if (wanted !== "#" || namesView()) history.replaceState(null, "", wanted);
}
