// An item as a card of the shelf, and as a row of a short list.

import { basketButton } from "./basket_button.js";
import { element } from "./elements.js";
import { itemLink } from "./links.js";
import { detailsOf } from "./words.js";

const SOURCES = {
  personal: "Own list",
  popular_in_segment: "Popular with people like you",
  popular_in_category: "Popular in a category they buy from",
  popular: "Popular in the shop",
};

export function card(item) {
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
export function row(item, about) {
  const id = String(item.item_id);
  return element("li", {},
    element("div", {}, itemLink(id), element("p", { class: "why" }, about ?? "")),
    basketButton(id, "Add"));
}
