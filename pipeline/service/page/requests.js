// Questions to the service, and the errors of it as sentences for people.

const PATIENCE_MS = 15000;
const latest = {}; // name of a question -> AbortController of the last time it was asked

/**
 * A question without an answer: `message` is a sentence for people; asking again may help where `canRetry`.
 * `isNotHere`: this service cannot answer such questions at all.
 */
export class Fault extends Error {
  constructor(sentence, canRetry, isNotHere = false) {
    super(sentence);
    this.canRetry = canRetry;
    this.isNotHere = isNotHere;
  }
}

/** A later question of the same name took over, or nobody waits any more. */
export class Overtaken extends Error {}

/**
 * JSON with whole numbers of 16 digits and more read as text: as numbers they would lose their last digits.
 * A token that begins with a quotation mark is a text, and stays.
 */
export function readJson(text) {
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  return JSON.parse(text.replace(tokens, (token) => (/^-?\d{16,}$/.test(token) ? `"${token}"` : token)));
}

/** An id as a part of a path. A browser takes `.` and `..` for folders, however they are written. */
export function part(id) {
  if (id === "." || id === "..") throw new Fault("A browser cannot ask for an id that is only dots.", false);
  return encodeURIComponent(id);
}

/** Nobody waits for this question any more. */
export function forget(name) {
  latest[name]?.abort();
  delete latest[name];
}

/** The answer; `body` is posted. Raises Fault, and Overtaken where the same question was asked again meanwhile. */
export async function ask(name, path, body) {
  forget(name);
  const mine = (latest[name] = new AbortController());
  const isOvertaken = () => latest[name] !== mine;
  const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
  const post = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let reply, text;
  try {
    reply = await fetch(path, { signal: mine.signal, ...post });
    text = await reply.text();
  } catch {
    if (isOvertaken()) throw new Overtaken();
    throw new Fault("The service does not answer. Is it running?", true);
  } finally {
    clearTimeout(patience);
  }
  if (isOvertaken()) throw new Overtaken();
  if (reply.status === 401) {
    location.assign("/"); // where the service asks for its token
    throw new Overtaken();
  }
  let answer;
  try {
    answer = readJson(text);
  } catch {
    throw new Fault("The service answered something that this page cannot read.", true);
  }
  const { ok, status } = reply;
  const isNotHere = status === 501;
  const canRetry = (status >= 500 && !isNotHere) || status === 429;
  if (!ok) throw new Fault(sentence(answer.detail, status), canRetry, isNotHere);
  return answer;
}

function sentence(detail, status) {
  const told = typeof detail === "string" && detail ? detail : `the service answered ${status}`;
  const text = told.replace(/^(user|item)_id\b/, "the $1 id");
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
