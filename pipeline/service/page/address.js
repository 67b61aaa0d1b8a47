// The address holds the state of the page: whose shelf, which item is open, what is in the basket.

export const MOST_IN_BASKET = 100;
export let state = null; // { user, item, basket }: what the address says
let show = null; // set by `watch`

function stateOf(address) {
  const query = new URL(address, location.href).searchParams;
  return {
    user: query.get("user") || null,
    item: query.get("item") || null,
    basket: [...new Set(query.getAll("basket").filter(Boolean))].slice(0, MOST_IN_BASKET),
  };
}

export function addressOf({ user, item, basket }) {
  const query = new URLSearchParams();
  if (user !== null) query.set("user", user);
  if (item !== null) query.set("item", item);
  for (const id of basket) query.append("basket", id);
  return query.size ? `/?${query}` : "/";
}

/** Call `draw(state, before)` for the address as it is, and again whenever it changes. */
export function watch(draw) {
  show = draw;
  window.addEventListener("popstate", () => enter(location.href));
  enter(location.href);
}

/** Change a part of the state: the address follows, and the page follows the address. */
export function go(change) {
  const address = addressOf({ ...state, ...change });
  if (address !== addressOf(state)) history.pushState(null, "", address);
  enter(address);
}

function enter(address) {
  const before = state ?? { item: null };
  state = stateOf(address);
  show(state, before);
}
