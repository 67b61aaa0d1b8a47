// Some users to pick from, the one whose shelf is shown marked.

import { state } from "./address.js";
import { byId } from "./elements.js";
import { link } from "./links.js";
import { ask, Fault, Overtaken } from "./requests.js";

const PICKED_USERS = 8;

export async function showUsers() {
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

export function markUser() {
  for (const chip of byId("users").querySelectorAll("a")) {
    if (chip.textContent === state.user) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
}
