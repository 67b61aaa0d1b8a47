// Building the page. Names, ids and sentences come from the shop and are only ever written as text.

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** New rows for a list. The focus stays at its item, else at its place, else it goes to the heading. */
export function renew(list, rows) {
  const old = [...list.children].findIndex((row) => row.contains(document.activeElement));
  const focused = old < 0 ? null : document.activeElement;
  list.replaceChildren(...rows);
  if (focused === null) return;
  const alike = [...list.querySelectorAll(focused.tagName)];
  const same = alike.find((other) => other.dataset.item === focused.dataset.item);
  const near = list.children[Math.min(old, list.children.length - 1)]?.querySelector(focused.tagName);
  (same ?? near ?? list.closest("section").querySelector("h2, h3")).focus();
}

/** A fault as its sentence, with a button that asks again where that may help. */
export function tell(place, fault, again) {
  place.replaceChildren(element("p", {}, fault.message));
  if (fault.canRetry) place.append(element("button", { type: "button", onclick: again }, "Try again"));
}
