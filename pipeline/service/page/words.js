// Items and numbers in words: what the answers told about items is remembered here.

const known = new Map(); // item id -> { name, category }

export function learn(items) {
  for (const { item_id: id, name = null, category = null } of items) {
    if (name !== null || !known.has(String(id))) known.set(String(id), { name, category });
  }
}

/** A name that came without a category: taken where the item has none yet. */
export function learnName(id, name) {
  if (!known.get(id)?.name) known.set(id, { name, category: null });
}

export function nameOf(id) {
  return known.get(id)?.name ?? `Item ${id}`;
}

/** Category and id, where the id is not the name already. */
export function detailsOf(id) {
  const { name, category } = known.get(id) ?? {};
  return [category, name && `Item ${id}`].filter(Boolean).join(" · ");
}

export function counted(number) {
  return number === 1 ? "1 item" : `${number} items`;
}

export function rounded(number, options) {
  return number.toLocaleString("en", options);
}
