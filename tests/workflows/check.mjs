// node check.mjs NODE_MODULES ACTIONS ROOT FILE...: what GitHub's own language service finds in workflows, as JSON.
//
// NODE_MODULES has the service, ACTIONS is actions.json, ROOT the folder that workflows name each other from.
import { readFileSync } from "node:fs";
import { createRequire, register } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// The service imports JSON as bundlers do; Node wants to be told that it is JSON.
const hook = `
import { readFile } from "node:fs/promises";
export async function load(url, context, next) {
  if (!url.endsWith(".json")) return next(url, context);
  const text = await readFile(new URL(url), "utf8");
  return { format: "module", shortCircuit: true, source: "export default " + text };
}`;
register("data:text/javascript," + encodeURIComponent(hook));

const [modules, actions, root, ...files] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(resolve(modules, path)));
const { registerLogger, validate } = await load("@actions/languageservice/dist/index.js");
const { TextDocument } = createRequire(resolve(modules, "x.js"))("vscode-languageserver-textdocument");

const known = JSON.parse(readFileSync(actions, "utf8"));
const described = (names, required = []) =>
  Object.fromEntries(names.map((name) => [name, { description: "", required: required.includes(name) }]));
const actionsMetadataProvider = {
  async fetchActionMetadata({ owner, name, ref }) {
    const action = known[`${owner}/${name}@${ref}`];
    if (!action) throw new Error(`${owner}/${name}@${ref} is not in ${basename(actions)}`);
    const inputs = described(action.inputs, action.required);
    return { name, description: "", inputs, outputs: described(action.outputs) };
  },
};
const fileProvider = {
  async getFileContent({ path }) {
    return { name: path, content: readFileSync(join(root, path), "utf8") };
  },
};

const found = [];
// What stops the service is logged, and the rest of the file then goes unread.
const tell = (message) => found.push(message);
const silent = () => {};
registerLogger({ error: tell, warn: tell, info: silent, log: silent });
for (const file of files) {
  const document = TextDocument.create(pathToFileURL(file).href, "yaml", 0, readFileSync(file, "utf8"));
  for (const { message, range } of await validate(document, { actionsMetadataProvider, fileProvider })) {
    found.push(`${basename(file)}:${range.start.line + 1}: ${message}`);
  }
}
console.log(JSON.stringify(found));
