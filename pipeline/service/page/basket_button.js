// The button that puts an item into the basket or takes it out.

import { go, MOST_IN_BASKET, state } from "./address.js";
import { element } from "./elements.js";
import { nameOf } from "./words.js";

export function basketButton(id, words = "Add to basket") {
  const button = element("button", { type: "button", class: "put", "data-item": id, onclick: () => toggle(id) });
  button.dataset.words = words;
  label(button);
  return button;
}

export function label(button) {
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
