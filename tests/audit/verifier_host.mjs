// Runs the verifier's script, as it stands in the page, over log folders and evidence files. One JSON object a line in: {trail
// or evidence, keys, ring, witness, body_keys, segment_lines}; one a line out: what `judge` or `judgeEvidence` gives, and `ms`, how
// long it took. Trail, evidence and body_keys are paths; ring, witness and body_keys may be null; keys, ring and witness are texts, in base64. Arguments: the page, and a part of the browser that is to be missing.

import fs from "node:fs";
import readline from "node:readline";
import vm from "node:vm";

const MISSING = {
  DecompressionStream: () => delete globalThis.DecompressionStream,
  Ed25519: () => {
    const original = crypto.subtle.importKey.bind(crypto.subtle);
    crypto.subtle.importKey = async (form, key, algorithm, ...more) => {
      if (algorithm === "Ed25519") throw new DOMException("unrecognized name", "NotSupportedError");
      return original(form, key, algorithm, ...more);
    };
  },
  WebCrypto: () => Object.defineProperty(globalThis, "crypto", { value: {} }),
};
MISSING[process.argv[3]]?.();
const page = fs.readFileSync(process.argv[2], "utf-8");
const script = /<script id="logic">\n([^]*?)<\/script>/.exec(page)[1];
const logic = vm.runInThisContext(`(() => {${script}\nreturn { judge, judgeEvidence, CannotTell, zipFiles, sourceOf, inWords };})()`);

/** A folder of the disk, as the script wants its sources. */
class Folder {
  constructor(path) {
    Object.assign(this, { path, opened: [] });
  }

  /** What `ask` gives for a path, null where there is nothing. */
  asked(name, ask) {
    try {
      return ask(`${this.path}/${name}`);
    } catch (problem) {
      if (problem.code === "ENOENT") return null;
      throw new logic.CannotTell(`${name} cannot be read: ${problem.message}`);
    }
  }

  async open(name) {
    const fd = this.asked(name, (path) => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
    if (fd === null) return null;
    this.opened.push(fd);
    const about = fs.fstatSync(fd);
    if (!about.isFile()) throw new logic.CannotTell(`${name} cannot be read: it is not a regular file`);
    return { size: about.size, read: async (begin, end) => bytesOf(fd, begin, end) };
  }

  async exists(name) {
    return this.asked(name, (path) => fs.statSync(path)) !== null;
  }

  async sizeOf(name) {
    const about = this.asked(name, (path) => fs.statSync(path));
    return about?.isFile() ? about.size : 0;
  }

  async list(folder) {
    const names = this.asked(folder, (path) => fs.readdirSync(path)) ?? [];
    const about = names.map((name) => [name, this.asked(`${folder}/${name}`, (path) => fs.statSync(path))]);
    return about.filter(([, stat]) => stat?.isFile()).map(([name, stat]) => [name, stat.size]);
  }

  close() {
    for (const fd of this.opened) fs.closeSync(fd);
  }
}

function bytesOf(fd, begin, end) {
  const buffer = new Uint8Array(end - begin);
  const read = fs.readSync(fd, buffer, 0, buffer.length, begin);
  return buffer.subarray(0, read);
}

async function sourceAt(path) {
  const folder = new Folder(path);
  if (!path.endsWith(".zip")) return folder;
  return logic.sourceOf(await logic.zipFiles(inMemory(path)));
}

function inMemory(path) {
  const bytes = new Uint8Array(fs.readFileSync(path));
  return { size: bytes.length, read: async (begin, end) => bytes.subarray(begin, end) };
}

const unpacked = (text) => (text == null ? null : Buffer.from(text, "base64"));

async function answer({ trail, evidence, keys, ring, witness, body_keys: bodyKeys, segment_lines: segmentLines }) {
  const folders = bodyKeys ? [new Folder(bodyKeys)] : [];
  const more = { ring: unpacked(ring), witness: unpacked(witness), bodyKeys: folders[0] ?? null, segmentLines };
  const source = evidence ? inMemory(evidence) : await sourceAt(trail);
  if (source instanceof Folder) folders.push(source);
  const begun = performance.now();
  const found = await (evidence ? logic.judgeEvidence : logic.judge)(source, unpacked(keys), more);
  for (const folder of folders) folder.close();
  return { ...found, evidence: undefined, ms: performance.now() - begun, words: logic.inWords(found.verdict) };
}

const spelled = (_, value) => (typeof value === "bigint" ? JSON.rawJSON(String(value)) : value);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const told = await answer(JSON.parse(line)).catch((problem) => ({ verdict: { verdict: "fault", why: String(problem.stack) } }));
  process.stdout.write(`${JSON.stringify(told, spelled)}\n`);
}
