// The page for people: shows what the service answers, and keeps nothing but the address of what it shows.

import { go, state, watch } from "./address.js";
import { showBasket } from "./basket.js";
import { label } from "./basket_button.js";
import { byId } from "./elements.js";
import { showItem } from "./item.js";
import { showPublication } from "./publication.js";
import { clearShelf, showShelf } from "./shelf.js";
import { markUser, showUsers } from "./users.js";

function show(next, before) {
  if (next.user !== before.user) {
    clearShelf();
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

watch(show);
showPublication();
showUsers();
