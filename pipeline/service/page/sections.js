// A section of the page: it asks one question and draws the answer, or says what went wrong.

import { renew, tell } from "./elements.js";
import { showPublication } from "./publication.js";
import { Fault, Overtaken } from "./requests.js";
import { follow, shows } from "./versions.js";
import { learn } from "./words.js";

/**
 * Ask `question` and draw its answer into the section's list: `draw(answer, list)` returns the note above it.
 * What goes wrong is said in the section. `showAgain` shows all of it anew, where another version went live.
 */
export async function fill(section, { question, draw, showAgain }) {
  const [note, fault, list] = [".note", ".fault", "ol"].map((name) => section.querySelector(name));
  section.setAttribute("aria-busy", "true");
  if (!list.children.length) note.textContent = "Loading…";
  fault.replaceChildren();
  try {
    const answer = await question();
    learn(answer.items);
    shows(section.id, answer.version, showAgain);
    note.textContent = draw(answer, list);
    section.removeAttribute("aria-busy");
    follow(answer.version);
  } catch (error) {
    if (error instanceof Overtaken) return;
    section.removeAttribute("aria-busy");
    if (!(error instanceof Fault)) throw error;
    note.textContent = "";
    renew(list, []);
    section.querySelector(".behind")?.replaceChildren();
    tell(fault, error, () => {
      section.querySelector("h2, h3").focus();
      fill(section, { question, draw, showAgain });
      showPublication();
    });
  }
}
