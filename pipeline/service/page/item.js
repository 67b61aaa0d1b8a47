// One item, beside the page: what is similar to it, and what was bought with it.

import { state } from "./address.js";
import { basketButton, label } from "./basket_button.js";
import { row } from "./cards.js";
import { byId, renew } from "./elements.js";
import { ask, forget, part } from "./requests.js";
import { fill } from "./sections.js";
import { showsNothing } from "./versions.js";
import { detailsOf, learn, nameOf, rounded } from "./words.js";

export function showItem() {
  const dialog = byId("item");
  const { item: id } = state;
  if (id === null) {
    for (const name of ["similar", "also-bought"]) {
      forget(name);
      showsNothing(name);
    }
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
  showBeside("similar", (item) => item.category, showSimilar);
}

function showAlsoBought() {
  const about = ({ support, lift }) => {
    const share = rounded(100 * support, { maximumSignificantDigits: 2 });
    const times = rounded(lift, { maximumSignificantDigits: 2 });
    return `${share}% of all buyers bought both, ${times} times as many as by chance`;
  };
  showBeside("also-bought", about, showAlsoBought);
}

function showBeside(name, about, showAgain) {
  const { item: id } = state;
  const question = async () => ask(name, `/items/${part(id)}/${name}`);
  const draw = (answer, list) => {
    if (answer.name) learn([{ ...answer, item_id: id }]);
    showTitle(id);
    renew(list, answer.items.map((item) => row(item, about(item))));
    return answer.items.length ? "" : "Nothing is known.";
  };
  fill(byId(name), { question, draw, showAgain });
}
