// The version that is live, as the latest answer says, and which version each part of the page shows.

const shown = new Map(); // part of the page -> { version, showAgain }
let live = null; // the version of the latest answer

/** What a part of the page shows, and how it is shown again; `null` is no version: shown again at every change. */
export function shows(name, version, showAgain) {
  shown.set(name, { version, showAgain });
}

/** The part of the page is empty. */
export function showsNothing(name) {
  shown.delete(name);
}

/** Where another version went live, all of the page goes over to it. */
export function follow(version) {
  if (version === live) return;
  live = version;
  for (const part of [...shown.values()]) if (part.version !== version) part.showAgain();
}
