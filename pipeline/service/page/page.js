// The page for people: shows what the service answers, and keeps nothing but the address of what it shows.
// Names, ids and sentences come from the shop and are only ever written as text.

import { ask, Fault, forget, Overtaken, part } from "./requests.js";

const MOST_IN_BASKET = 100;
const PICKED_USERS = 8;
const LOOKED_AT = ["similar_to_view", "looked_at"];
const SOURCES = {
  personal: "Own list",
  popular_in_category: "Popular in a category they buy from",
  popular: "Popular in the shop",
};
const EMPTY = "Empty. Add items to see what goes with them, as a visitor without an account would.";

const byId = (id) => document.getElementById(id);
const known = new Map(); // item id -> { name, category }, as the answers told them
const versions = {}; // section -> the version that it shows
let live = null; // the version of the latest answer
let state = null; // { user, item, basket }: what the address says

// ---- small tools -------------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** New rows for a list. The focus stays at its item, else at its place, else it goes to the heading. */
function renew(list, rows) {
  const old = [...list.children].findIndex((row) => row.contains(document.activeElement));
  const focused = old < 0 ? null : document.activeElement;
  list.replaceChildren(...rows);
  if (focused === null) return;
  const alike = [...list.querySelectorAll(focused.tagName)];
  const same = alike.find((other) => other.dataset.item === focused.dataset.item);
  const near = list.children[Math.min(old, list.children.length - 1)]?.querySelector(focused.tagName);
  (same ?? near ?? list.closest("section").querySelector("h2, h3")).focus();
}

function learn(items) {
  for (const { item_id: id, name = null, category = null } of items) {
    if (name !== null || !known.has(String(id))) known.set(String(id), { name, category });
  }
}

function nameOf(id) {
  return known.get(id)?.name ?? `Item ${id}`;
}

/** Category and id, where the id is not the name already. */
function detailsOf(id) {
  const { name, category } = known.get(id) ?? {};
  return [category, name && `Item ${id}`].filter(Boolean).join(" · ");
}

function counted(number) {
  return number === 1 ? "1 item" : `${number} items`;
}

function rounded(number, options) {
  return number.toLocaleString("en", options);
}

// ---- the address holds the state ---------------------------------------------------------------------

function stateOf(address) {
  const query = new URL(address, location.href).searchParams;
  return {
    user: query.get("user") || null,
    item: query.get("item") || null,
    basket: [...new Set(query.getAll("basket").filter(Boolean))].slice(0, MOST_IN_BASKET),
  };
}

function addressOf({ user, item, basket }) {
  const query = new URLSearchParams();
  if (user !== null) query.set("user", user);
  if (item !== null) query.set("item", item);
  for (const id of basket) query.append("basket", id);
  return query.size ? `/?${query}` : "/";
}

function go(change) {
  const address = addressOf({ ...state, ...change });
  if (address !== addressOf(state)) history.pushState(null, "", address);
  show(stateOf(address));
}

/** A link that a click follows without leaving the page, and that opens in a tab of its own as links do. */
function link(words, change, properties = {}) {
  const follow = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(change);
  };
  const address = () => addressOf({ ...state, ...change });
  const renewed = (event) => event.currentTarget.setAttribute("href", address()); // the basket may be another by now
  const does = { onclick: follow, onfocus: renewed, onpointerdown: renewed, onpointerenter: renewed };
  return element("a", { href: address(), ...does, ...properties }, words);
}

function itemLink(id) {
  return link(nameOf(id), { item: id }, { "data-item": id });
}

// ---- sections ----------------------------------------------------------------------------------------

/** Ask and draw a section. What goes wrong is said in it, with a button that asks again where that may help. */
async function fill(section, question, draw) {
  const [note, fault, list] = [".note", ".fault", "ol"].map((name) => section.querySelector(name));
  section.setAttribute("aria-busy", "true");
  if (!list.children.length) note.textContent = "Loading…";
  fault.replaceChildren();
  try {
    const answer = await question();
    learn(answer.items);
    versions[section.id] = answer.version;
    note.textContent = draw(answer, list);
    section.removeAttribute("aria-busy");
    follow(answer.version);
  } catch (error) {
    if (error instanceof Overtaken) return;
    section.removeAttribute("aria-busy");
    if (!(error instanceof Fault)) throw error;
    note.textContent = "";
    renew(list, []);
    section.querySelector(".behind")?.replaceChildren();
    tell(fault, error, () => {
      section.querySelector("h2, h3").focus();
      fill(section, question, draw);
      showPublication();
    });
  }
}

function tell(place, fault, again) {
  place.replaceChildren(element("p", {}, fault.message));
  if (fault.canRetry) place.append(element("button", { type: "button", onclick: again }, "Try again"));
}

/** Where another version went live, all of the page goes over to it. */
function follow(version) {
  if (version === live) return;
  live = version;
  showPublication();
  const sections = { shelf: showShelf, basket: showBasket, similar: showSimilar, "also-bought": showAlsoBought };
  for (const [name, showAgain] of Object.entries(sections))
    if (versions[name] && versions[name] !== version) showAgain();
}

async function showPublication() {
  const place = byId("live");
  try {
    const publication = await ask("publication", "/publication");
    const at = publication.published_at;
    const day = new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    place.replaceChildren(
      element("strong", {}, `Version ${publication.version}`), " is live, published ",
      element("time", { datetime: at }, day), ". ", quality(publication));
    follow(publication.version);
  } catch (error) {
    if (error instanceof Overtaken) return;
    if (!(error instanceof Fault)) throw error;
    tell(place, error, () => {
      byId("user").focus();
      showPublication();
      showUsers();
    });
  }
}

function quality({ precision_at_3: precision, is_unjudged: isUnjudged, is_fallback: isFallback }) {
  if (isUnjudged) return "It is not judged: there were too few purchases to hold some out.";
  if (precision === null) return "How good it was is not known.";
  const share = rounded(100 * precision, { maximumFractionDigits: 1 });
  const words = `Of the 3 first items shown, ${share}% were bought in the held-out days.`;
  return isFallback ? `${words} It was made by a simple rule, which did better than the model.` : words;
}

async function showUsers() {
  const place = byId("users");
  try {
    const { user_ids: users } = await ask("users", `/users?n=${PICKED_USERS}`);
    place.replaceChildren("or pick one: ", ...users.map((id) => link(String(id), { user: String(id), item: null })));
    place.hidden = !users.length;
    markUser();
  } catch (error) {
    if (error instanceof Overtaken) return;
    if (!(error instanceof Fault)) throw error;
    place.hidden = true; // the head of the page says what is wrong
  }
}

function markUser() {
  for (const chip of byId("users").querySelectorAll("a")) {
    if (chip.textContent === state.user) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
}

// ---- the shelf of a user -----------------------------------------------------------------------------

function showShelf() {
  const section = byId("shelf");
  const { user } = state;
  document.title = user === null ? "Nightshelf" : `User ${user} · Nightshelf`;
  document.body.classList.toggle("has-user", user !== null);
  byId("shelf-title").textContent = user === null ? "Popular in the shop" : `Shelf of user ${user}`;
  const question = async () =>
    user === null ? ask("shelf", "/popular") : ask("shelf", `/users/${part(user)}/recommendations?explain=true`);
  return fill(section, question, ({ items }, list) => {
    renew(list, items.map(card));
    showBehind(section.querySelector(".behind"), items);
    return aboutShelf(user, items);
  });
}

function aboutShelf(user, items) {
  const sources = new Set(items.map((item) => item.source));
  if (!items.length) return "There is nothing to show: no list, and nothing popular.";
  if (user === null) return "This is what people get who are not known yet.";
  if (sources.has("personal")) return `${counted(items.length)}, the best first.`;
  if (sources.has("popular_in_category"))
    return `User ${user} has no list of their own. This is popular in the categories they buy from.`;
  return `User ${user} is not known, or has no list. This is popular in the shop.`;
}

/** What the user bought or looked at that the reasons name, each once, with how many items it brought. */
function showBehind(place, items) {
  const rows = { "Purchases that the reasons name": new Map(), "What they looked at": new Map() };
  const [bought, lookedAt] = Object.values(rows);
  for (const { because_item_id: because = null, because_name: name, reason } of items) {
    if (because === null) continue;
    const [id, named] = [String(because), LOOKED_AT.includes(reason) ? lookedAt : bought];
    if (name !== null && !known.get(id)?.name) known.set(id, { name, category: null });
    named.set(id, (named.get(id) ?? 0) + 1);
  }
  place.replaceChildren(...Object.entries(rows).filter(([, named]) => named.size).flatMap(([title, named]) => [
    element("h3", {}, title),
    element("ul", { class: "chips" }, ...[...named].map(([id, times]) =>
      element("li", {}, itemLink(id), element("span", {}, ` for ${counted(times)}`)))),
  ]));
}

function card(item) {
  const id = String(item.item_id);
  const { source = "popular", explanation = "" } = item;
  const from = SOURCES[source] ?? source;
  const why = explanation.toLowerCase() === from.toLowerCase() ? "" : explanation;
  return element("li", { class: "card" },
    element("h3", {}, itemLink(id)),
    element("p", { class: "details" }, detailsOf(id)),
    element("p", { class: "why" }, why),
    element("div", { class: "foot" },
      element("span", { class: `source ${source}` }, from),
      basketButton(id)));
}

/** One line of a short list. */
function row(item, about) {
  const id = String(item.item_id);
  return element("li", {},
    element("div", {}, itemLink(id), element("p", { class: "why" }, about ?? "")),
    basketButton(id, "Add"));
}

// ---- the basket --------------------------------------------------------------------------------------

function basketButton(id, words = "Add to basket") {
  const button = element("button", { type: "button", class: "put", "data-item": id, onclick: () => toggle(id) });
  button.dataset.words = words;
  label(button);
  return button;
}

function label(button) {
  const id = button.dataset.item;
  const isIn = state.basket.includes(id);
  button.textContent = isIn ? "Take out" : button.dataset.words;
  button.setAttribute("aria-label", `${isIn ? "Take out" : "Add to basket"}: ${nameOf(id)}`);
  button.classList.toggle("in", isIn);
  button.disabled = !isIn && state.basket.length >= MOST_IN_BASKET;
}

function toggle(id) {
  const { basket } = state;
  go({ basket: basket.includes(id) ? basket.filter((other) => other !== id) : [...basket, id] });
}

function showBasket() {
  const section = byId("basket");
  const { basket } = state;
  showHeld(basket);
  byId("goes-with").hidden = byId("to-basket").hidden = !basket.length;
  byId("to-basket").textContent = `Basket: ${counted(basket.length)}`;
  if (!basket.length) {
    forget("basket");
    delete versions.basket;
    section.removeAttribute("aria-busy");
    renew(section.querySelector("ol"), []);
    section.querySelector(".fault").replaceChildren();
    section.querySelector(".note").textContent = EMPTY;
    return;
  }
  const question = async () => ask("basket", "/session/recommendations", { item_ids: basket, explain: true });
  fill(section, question, ({ items, given = [] }, list) => {
    learn(given);
    showHeld(basket);
    renew(list, items.map((item) => row(item, item.explanation)));
    byId("goes-with").hidden = !items.length;
    const limit = basket.length < MOST_IN_BASKET ? "" : " That is as many as a basket takes.";
    const nothing = items.length ? "" : " Nothing is known that goes with it.";
    return `${counted(basket.length)}.${limit}${nothing}`;
  });
}

function showHeld(basket) {
  renew(byId("basket").querySelector("ul"), basket.map((id) => element("li", {}, itemLink(id), basketButton(id))));
}

// ---- one item ----------------------------------------------------------------------------------------

function showItem() {
  const dialog = byId("item");
  const { item: id } = state;
  if (id === null) {
    ["similar", "also-bought"].forEach(forget);
    delete versions.similar;
    delete versions["also-bought"];
    dialog.close();
    return;
  }
  showTitle(id);
  dialog.querySelector(".actions").replaceChildren(basketButton(id));
  dialog.querySelectorAll("ol").forEach((list) => list.replaceChildren());
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("item-title").focus();
  showSimilar();
  showAlsoBought();
}

function showTitle(id) {
  byId("item-title").textContent = nameOf(id);
  byId("item").querySelector(".details").textContent = detailsOf(id);
  byId("item").querySelectorAll(".actions button").forEach(label);
}

function showSimilar() {
  showBeside("similar", (item) => item.category);
}

function showAlsoBought() {
  showBeside("also-bought", ({ support, lift }) => {
    const share = rounded(100 * support, { maximumSignificantDigits: 2 });
    const times = rounded(lift, { maximumSignificantDigits: 2 });
    return `${share}% of all buyers bought both, ${times} times as many as by chance`;
  });
}

function showBeside(name, about) {
  const { item: id } = state;
  const question = async () => ask(name, `/items/${part(id)}/${name}`);
  fill(byId(name), question, (answer, list) => {
    if (answer.name) learn([{ ...answer, item_id: id }]);
    showTitle(id);
    renew(list, answer.items.map((item) => row(item, about(item))));
    return answer.items.length ? "" : "Nothing is known.";
  });
}

// ---- all of it ---------------------------------------------------------------------------------------

function show(next) {
  const before = state ?? { item: null };
  state = next;
  if (next.user !== before.user) {
    byId("shelf").querySelector("ol").replaceChildren();
    byId("shelf").querySelector(".behind").replaceChildren();
    delete versions.shelf;
    if (next.user !== null) byId("user").value = next.user;
    showShelf();
  }
  if (JSON.stringify(next.basket) !== JSON.stringify(before.basket)) showBasket();
  if (next.item !== before.item) showItem();
  document.querySelectorAll("button.put").forEach(label);
  markUser();
}

/** What was typed. Spaces around a single word came with the paste. */
function typed(text) {
  return /^\s*\S+\s*$/.test(text) ? text.trim() : text;
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const user = typed(byId("user").value);
  if (user === state.user) showShelf();
  else if (user) go({ user, item: null });
});
byId("to-basket").addEventListener("click", () => {
  byId("basket").scrollIntoView();
  byId("basket-title").focus();
});
byId("item").addEventListener("close", () => state.item !== null && go({ item: null }));
byId("item").addEventListener("click", (event) => event.target === byId("item") && byId("item").close());
byId("item").querySelector(".close").addEventListener("click", () => byId("item").close());
window.addEventListener("popstate", () => show(stateOf(location.href)));

show(stateOf(location.href));
showPublication();
showUsers();
