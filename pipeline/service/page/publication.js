// The head of the page: which version is live, and how good it was.

import { byId, element, tell } from "./elements.js";
import { ask, Fault, Overtaken } from "./requests.js";
import { showUsers } from "./users.js";
import { follow, shows } from "./versions.js";
import { rounded } from "./words.js";

shows("live", null, showPublication);

export async function showPublication() {
  const place = byId("live");
  try {
    const publication = await ask("publication", "/publication");
    const at = publication.published_at;
    const day = new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    place.replaceChildren(
      element("strong", {}, `Version ${publication.version}`), " is live, published ",
      element("time", { datetime: at }, day), ". ", quality(publication));
    follow(publication.version);
  } catch (error) {
    if (error instanceof Overtaken) return;
    if (!(error instanceof Fault)) throw error;
    tell(place, error, () => {
      byId("user").focus();
      showPublication();
      showUsers();
    });
  }
}

function quality({ precision_at_3: precision, is_unjudged: isUnjudged, is_fallback: isFallback }) {
  if (isUnjudged) return "It is not judged: there were too few purchases to hold some out.";
  if (precision === null) return "How good it was is not known.";
  const share = rounded(100 * precision, { maximumFractionDigits: 1 });
  const words = `Of the first 3 items shown, ${share}% were bought in the held-out days.`;
  return isFallback ? `${words} It was made by a simple rule, which did better than the model.` : words;
}
