// Links that change the state of the page without leaving it.

import { addressOf, go, state } from "./address.js";
import { element } from "./elements.js";
import { nameOf } from "./words.js";

/** A link that a click follows without leaving the page, and that opens in a tab of its own as links do. */
export function link(words, change, properties = {}) {
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

export function itemLink(id) {
  return link(nameOf(id), { item: id }, { "data-item": id });
}
