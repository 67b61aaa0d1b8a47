// The basket, and what goes with it.

import { MOST_IN_BASKET, state } from "./address.js";
import { basketButton } from "./basket_button.js";
import { row } from "./cards.js";
import { byId, element, renew } from "./elements.js";
import { itemLink } from "./links.js";
import { ask, forget } from "./requests.js";
import { fill } from "./sections.js";
import { showsNothing } from "./versions.js";
import { counted, learn } from "./words.js";

const EMPTY = "Empty. Add items to see what goes with them, as a visitor without an account would.";

export function showBasket() {
  const section = byId("basket");
  const { basket } = state;
  showHeld(basket);
  byId("goes-with").hidden = byId("to-basket").hidden = !basket.length;
  byId("to-basket").textContent = `Basket: ${counted(basket.length)}`;
  if (!basket.length) return empty(section);
  const question = async () => ask("basket", "/session/recommendations", { item_ids: basket, explain: true });
  const draw = ({ items, given = [] }, list) => {
    learn(given);
    showHeld(basket);
    renew(list, items.map((item) => row(item, item.explanation)));
    byId("goes-with").hidden = !items.length;
    const limit = basket.length < MOST_IN_BASKET ? "" : " That is as many as a basket takes.";
    const nothing = items.length ? "" : " Nothing is known that goes with it.";
    return `${counted(basket.length)}.${limit}${nothing}`;
  };
  fill(section, { question, draw, showAgain: showBasket });
}

function empty(section) {
  forget("basket");
  showsNothing("basket");
  section.removeAttribute("aria-busy");
  renew(section.querySelector("ol"), []);
  section.querySelector(".fault").replaceChildren();
  section.querySelector(".note").textContent = EMPTY;
}

function showHeld(basket) {
  renew(byId("basket").querySelector("ul"), basket.map((id) => element("li", {}, itemLink(id), basketButton(id))));
}
