// Drives the page in a real browser, headless, over its debugging pipe (no port, no driver). Arguments: the browser, the page,
// an empty folder for its profile. One JSON object a line in: {trail, keys}, a folder or a zip file and a text; or {dropped}, files
// that are dropped on the page together, and maybe {save, into}, the name of a file in the evidence and a folder to save it to. One
// a line out, as a person sees it: {word, first, words, rows}, the verdict's class, its first word, its sentences and the table of
// counts; of evidence {asked, tables, files, statement, bcsi}; {focused, ms}, which element has the focus and how long it took.

import { spawn } from "node:child_process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [, , browserPath, pagePath, profile] = process.argv;
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"];
const browser = spawn(browserPath, [...quiet, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"], {
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
});
const waiting = new Map(); // answers to come, by the number of the call; owned by `call` and the reader below
let calls = 0;

function call(method, params = {}, sessionId = undefined) {
  calls += 1;
  browser.stdio[3].write(`${JSON.stringify({ id: calls, method, params, sessionId })}\0`);
  return new Promise((good, bad) => waiting.set(calls, { good, bad }));
}

let heard = "";
browser.stdio[4].setEncoding("utf-8").on("data", (text) => {
  const messages = (heard + text).split("\0");
  heard = messages.pop();
  for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked?.bad(new Error(error.message));
    else asked?.good(result);
  }
});

const { targetId } = await call("Target.createTarget", { url: "about:blank" });
const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
const inPage = (method, params) => call(method, params, sessionId);

async function evaluated(expression) {
  const { result, exceptionDetails } = await inPage("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
  return result.value;
}

const DEADLINE_MS = 120000;

/** Until the expression is true in the page. */
async function until(expression) {
  const begun = performance.now();
  while (!(await evaluated(expression).catch(() => false))) {
    if (performance.now() > begun + DEADLINE_MS) throw new Error(`the page never came to ${expression}: ${await evaluated("document.body.innerText")}`);
    await new Promise((go) => setTimeout(go, 20));
  }
}

async function chosen({ trail, keys }) {
  const { root } = await inPage("DOM.getDocument");
  const input = trail.endsWith(".zip") ? "#zip" : "#folder";
  const { nodeId } = await inPage("DOM.querySelector", { nodeId: root.nodeId, selector: input });
  await inPage("DOM.setFileInputFiles", { nodeId, files: [trail] });
  await evaluated(`document.getElementById("key").value = ${JSON.stringify(keys)}`);
}

async function dropped(files) {
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await inPage("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
}

const SEEN = `({ word: document.getElementById("verdict").className,
  first: document.querySelector("#verdict strong").textContent,
  words: [...document.querySelectorAll("#verdict div")].map((line) => line.textContent),
  rows: Object.fromEntries([...document.querySelectorAll("#counts tr")].map((row) => [...row.cells].map((cell) => cell.textContent))),
  asked: Object.fromEntries([...document.querySelectorAll("#asked tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))),
  tables: Object.fromEntries([...document.querySelectorAll("#tables details")].map((one) => [one.querySelector("summary").textContent,
    [...one.querySelectorAll("tr")].map((row) => [...row.cells].map((cell) => cell.textContent))])),
  files: [...document.querySelectorAll("#members tbody tr")].map((row) => row.cells[0].textContent),
  bcsi: !document.getElementById("bcsi").hidden,
  statement: document.getElementById("statement").textContent,
  focused: document.activeElement.id })`;

async function judged(asked) {
  await inPage("Page.navigate", { url: "about:blank" });
  await inPage("Page.navigate", { url: pathToFileURL(pagePath).href });
  await until('document.readyState === "complete" && !!document.getElementById("form")?.onsubmit');
  await (asked.dropped ? dropped(asked.dropped) : chosen(asked));
  await until('document.getElementById("dropped").textContent.endsWith("chosen.")');
  const begun = performance.now();
  await evaluated('document.querySelector("button").click()');
  await until('!document.getElementById("result").hidden');
  const ms = performance.now() - begun;
  if (asked.save) {
    await call("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: asked.into });
    await evaluated(`document.querySelector(${JSON.stringify(`[aria-label="Save ${asked.save}"]`)}).click()`);
  }
  return { ...(await evaluated(SEEN)), ms };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const shown = await judged(JSON.parse(line)).catch((problem) => ({ fault: String(problem) }));
  process.stdout.write(`${JSON.stringify(shown)}\n`);
}
await call("Browser.close").catch(() => {});
