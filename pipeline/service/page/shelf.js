// The shelf: the list of a user, or what is popular where no user is asked for.

import { state } from "./address.js";
import { card } from "./cards.js";
import { byId, element, renew } from "./elements.js";
import { itemLink } from "./links.js";
import { clearModelOrder, showModelOrder } from "./model_order.js";
import { ask, part } from "./requests.js";
import { fill } from "./sections.js";
import { showsNothing } from "./versions.js";
import { counted, learnName } from "./words.js";

const LOOKED_AT = ["similar_to_view", "looked_at"];

export function showShelf() {
  const section = byId("shelf");
  const { user } = state;
  document.title = user === null ? "Nightshelf" : `User ${user} · Nightshelf`;
  document.body.classList.toggle("has-user", user !== null);
  byId("shelf-title").textContent = user === null ? "Popular in the shop" : `Shelf of user ${user}`;
  const question = async () => (user === null ? ask("shelf", "/popular") : askFor(user));
  const draw = ({ items }, list) => {
    renew(list, items.map(card));
    showBehind(section.querySelector(".behind"), items);
    showModelOrder(user);
    return aboutShelf(user, items);
  };
  fill(section, { question, draw, showAgain: showShelf });
}

/** The list of a user with reasons in words; without them where the service has none. */
async function askFor(user) {
  const list = `/users/${part(user)}/recommendations`;
  try {
    return await ask("shelf", `${list}?explain=true`);
  } catch (fault) {
    if (!fault.isNotHere) throw fault;
    return ask("shelf", list);
  }
}

/** What was shown is another user's. */
export function clearShelf() {
  byId("shelf").querySelector("ol").replaceChildren();
  byId("shelf").querySelector(".behind").replaceChildren();
  clearModelOrder();
  showsNothing("shelf");
}

function aboutShelf(user, items) {
  const sources = new Set(items.map((item) => item.source));
  if (!items.length) return "There is nothing to show: no list, and nothing popular.";
  if (user === null) return "This is what people get who are not known yet.";
  if (sources.has("personal")) return `${counted(items.length)}, the best first.`;
  if (sources.has("popular_in_segment"))
    return `User ${user} has bought nothing yet. This is popular with people like them.`;
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
    if (name !== null) learnName(id, name);
    named.set(id, (named.get(id) ?? 0) + 1);
  }
  place.replaceChildren(...Object.entries(rows).filter(([, named]) => named.size).flatMap(([title, named]) => [
    element("h3", {}, title),
    element("ul", { class: "chips" }, ...[...named].map(([id, times]) =>
      element("li", {}, itemLink(id), element("span", {}, ` for ${counted(times)}`)))),
  ]));
}
