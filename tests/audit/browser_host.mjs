// Drives the page in a real browser, headless, over its debugging pipe (no port, no driver). Arguments: the browser, the page,
// an empty folder for its profile. One JSON object a line in: {trail, keys}, a folder or a zip file and a text; one a line
// out: {word, rows}, the verdict's class and the table of counts, as a person sees them.

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

/** Until the expression is true in the page; whoever started this process has the deadline. */
async function until(expression) {
  while (!(await evaluated(expression).catch(() => false))) await new Promise((go) => setTimeout(go, 20));
}

async function judged({ trail, keys }) {
  await inPage("Page.navigate", { url: "about:blank" });
  await inPage("Page.navigate", { url: pathToFileURL(pagePath).href });
  await until('document.readyState === "complete" && !!document.getElementById("form")?.onsubmit');
  const { root } = await inPage("DOM.getDocument");
  const input = trail.endsWith(".zip") ? "#zip" : "#folder";
  const { nodeId } = await inPage("DOM.querySelector", { nodeId: root.nodeId, selector: input });
  await inPage("DOM.setFileInputFiles", { nodeId, files: [trail] });
  await until('document.getElementById("dropped").textContent.endsWith("chosen.")');
  await evaluated(`document.getElementById("key").value = ${JSON.stringify(keys)}; document.querySelector("button").click()`);
  await until('!document.getElementById("result").hidden');
  return evaluated(`({ word: document.getElementById("verdict").className,
    first: document.querySelector("#verdict strong").textContent,
    rows: Object.fromEntries([...document.querySelectorAll("#counts tr")].slice(1).map((row) => [...row.cells].map((cell) => cell.textContent))) })`);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await judged(JSON.parse(line)))}\n`);
}
await call("Browser.close").catch(() => {});
