// The list of a user in the model's own order, before it was given variety; it stands closed under the shelf.

import { row } from "./cards.js";
import { byId, renew } from "./elements.js";
import { ask, Fault, forget, Overtaken, part } from "./requests.js";
import { learn } from "./words.js";

const NAME = "model-order";

/** Nothing is shown where the list has no variety, or where the service cannot tell. */
export async function showModelOrder(user) {
  clearModelOrder();
  if (user === null) return;
  const place = byId(NAME);
  let answer;
  try {
    answer = await ask(NAME, `/users/${part(user)}/model-order`);
  } catch (error) {
    if (error instanceof Fault || error instanceof Overtaken) return;
    throw error;
  }
  learn(answer.items);
  renew(place.querySelector("ol"), answer.items.map((item) => row(item, aboutMove(item))));
  place.hidden = !answer.items.length;
}

/** What was shown is another user's. */
export function clearModelOrder() {
  forget(NAME);
  byId(NAME).hidden = true;
  byId(NAME).querySelector("ol").replaceChildren();
}

function aboutMove({ rank, model_rank: before }) {
  return rank === before ? "stands there still" : `stands at ${rank} now`;
}
