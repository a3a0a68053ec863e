import { isMap, isScalar, isSeq, parseDocument, stringify, type Document, type Pair, type YAMLMap, type YAMLSeq } from "yaml";

/** What a form reads and writes: plain values, nothing else. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type Path = (string | number)[];

/** More than this no form is made of: the text can still be changed, and the gateway judges it. */
const most = 256 * 1024;
const mostLines = 6000;

/** Lines of a text, counted without making them. */
export function lines(text: string): number {
  let n = 1;
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) n++;
  return n;
}

export type Read = { doc: Document.Parsed; value: Value } | { fault: string; line?: number };

/** Reads a file. That a key stands there twice the gateway says. Aliases are refused, as by the gateway: what they stand for could be endless. */
export function read(text: string): Read {
  if (text.length > most || lines(text) > mostLines) return { fault: "This file is too long for a form." };
  try {
    const doc = parseDocument(text, { merge: false, uniqueKeys: false, prettyErrors: true });
    const e = doc.errors[0];
    if (e) return { fault: /call stack/.test(e.message) ? "This is nested too deeply." : (e.message.split("\n")[0] ?? "This cannot be read."), line: e.linePos?.[0].line };
    return { doc, value: doc.toJS({ maxAliasCount: 0 }) as Value };
  } catch {
    return { fault: "This cannot be shown as a form." }; // nested too deeply, or with aliases
  }
}

export const at = (value: Value | undefined, path: Path): Value | undefined => {
  let v = value;
  for (const k of path) {
    if (v === null || typeof v !== "object" || !Object.hasOwn(v, k)) return undefined;
    v = (v as Record<string | number, Value>)[k];
  }
  return v;
};

/** A value as it stands within a line. */
function inline(v: Value): string {
  const s = stringify([v], { collectionStyle: "flow", flowCollectionPadding: false, lineWidth: 0 }).trim();
  return s.slice(1, -1);
}

const lineEnd = (text: string, i: number): number => {
  const n = text.indexOf("\n", i);
  return n < 0 ? text.length : n;
};
const lineStart = (text: string, i: number): number => text.lastIndexOf("\n", i - 1) + 1;

type Ranged = { range?: [number, number, number] | null };
const start = (n: unknown): number => (n as Ranged).range?.[0] ?? NaN;
const end = (n: unknown): number => (n as Ranged).range?.[1] ?? NaN;

function find(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((p) => isScalar(p.key) && String(p.key.value) === key);
}

/** The text with one value changed, and nothing else: undefined where that cannot be done so. */
function splice(text: string, doc: Document.Parsed, path: Path, value: Value | undefined): string | undefined {
  let node: unknown = doc.contents;
  for (const [i, key] of path.entries()) {
    const rest = path.slice(i + 1);
    if (isSeq(node) && typeof key === "number") {
      const item = (node as YAMLSeq).items[key];
      if (rest.length === 0 || item === undefined) return undefined;
      node = item;
      continue;
    }
    if (!isMap(node)) return undefined;
    const map = node as YAMLMap;
    const pair = find(map, String(key));
    if (!pair) return value === undefined ? text : add(text, map, String(key), rest.reduceRight<Value>((v, k) => ({ [k]: v }), value));
    if (rest.length === 0) return value === undefined ? remove(text, map, pair) : replace(text, pair, value);
    if (!isMap(pair.value) && !isSeq(pair.value)) return undefined;
    node = pair.value;
  }
  return undefined;
}

function replace(text: string, pair: Pair, value: Value): string | undefined {
  const v = pair.value;
  if (isScalar(v) && (v.type === "BLOCK_FOLDED" || v.type === "BLOCK_LITERAL")) return undefined;
  if (!v || (isScalar(v) && v.source === "" )) return undefined;
  const from = start(v);
  const to = end(v);
  if (!Number.isFinite(from) || !Number.isFinite(to)) return undefined;
  const block = (isMap(v) || isSeq(v)) && !v.flow;
  if (!block) return text.slice(0, from) + padded(value) + text.slice(to);
  const old = text.slice(from, to);
  if (isSeq(v) && Array.isArray(value) && value.length > 0) {
    const out = one(text, v as YAMLSeq, value);
    if (out !== undefined) return out;
  }
  if (old.includes("#") || !Array.isArray(value) || value.length === 0 || !isSeq(v)) return undefined;
  const indent = " ".repeat(from - lineStart(text, from));
  const lines = value.map((x, i) => `${i ? indent : ""}- ${item(x)}`);
  return text.slice(0, from) + lines.join("\n") + (old.endsWith("\n") ? "\n" : "") + text.slice(to);
}

const item = (x: Value): string => (x !== null && typeof x === "object" && !Array.isArray(x) ? `{ ${inline(x).slice(1, -1)} }` : inline(x));

/** A list one longer at its end, or one shorter: the others, and what is said beside them, stay. */
function one(text: string, seq: YAMLSeq, value: Value[]): string | undefined {
  const old = seq.items.map((x) => JSON.stringify(sorted((x as { toJSON(): unknown }).toJSON())));
  const now = value.map((x) => JSON.stringify(sorted(x)));
  const n = old.length;
  const stopOf = (i: number): number => {
    const e = end(seq.items[i]);
    return text[e - 1] === "\n" ? e - 1 : lineEnd(text, e);
  };
  if (now.length === n + 1 && old.every((x, i) => x === now[i])) {
    const stop = stopOf(n - 1);
    const indent = " ".repeat(start(seq) - lineStart(text, start(seq)));
    return `${text.slice(0, stop)}\n${indent}- ${item(value[n]!)}${text.slice(stop)}`;
  }
  if (now.length !== n - 1) return undefined;
  const gone = old.findIndex((x, i) => x !== now[i]);
  if (!old.filter((_, i) => i !== gone).every((x, i) => x === now[i])) return undefined;
  const from = lineStart(text, start(seq.items[gone]));
  if (from < lineStart(text, start(seq))) return undefined;
  return text.slice(0, from) + text.slice(stopOf(gone) + 1);
}

const padded = (v: Value): string => {
  const s = inline(v);
  return s.startsWith("{") && s.length > 2 ? `{ ${s.slice(1, -1)} }` : s;
};

function add(text: string, map: YAMLMap, key: string, value: Value): string | undefined {
  const line = `${inline(key)}: ${padded(value)}`;
  const last = map.items[map.items.length - 1];
  const first = map.items[0];
  if (map.flow) {
    if (!last) return text.slice(0, start(map)) + `{ ${line} }` + text.slice(end(map));
    const after = Number.isFinite(end(last.value)) && last.value ? end(last.value) : end(last.key);
    return `${text.slice(0, after)}, ${line}${text.slice(after)}`;
  }
  if (!last || !first) return undefined;
  const from = start(first.key);
  const indent = " ".repeat(from - lineStart(text, from));
  let stop = last.value && Number.isFinite(end(last.value)) ? end(last.value) : end(last.key);
  if (stop > 0 && text[stop - 1] === "\n") stop--;
  stop = lineEnd(text, stop);
  return `${text.slice(0, stop)}\n${indent}${line}${text.slice(stop)}`;
}

function remove(text: string, map: YAMLMap, pair: Pair): string | undefined {
  if (map.items.length === 1) return undefined;
  const i = map.items.indexOf(pair);
  const stop = pair.value && Number.isFinite(end(pair.value)) ? end(pair.value) : end(pair.key);
  if (map.flow) {
    const next = map.items[i + 1];
    if (next) return text.slice(0, start(pair.key)) + text.slice(start(next.key));
    const before = map.items[i - 1];
    if (!before) return undefined;
    return text.slice(0, before.value ? end(before.value) : end(before.key)) + text.slice(stop);
  }
  const from = lineStart(text, start(pair.key));
  if (text.slice(from, start(pair.key)).trim()) return undefined; // it stands behind a dash
  const to = text[stop - 1] === "\n" ? stop : lineEnd(text, stop) + 1;
  return text.slice(0, from) + text.slice(to);
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
function sorted(v: unknown): unknown {
  if (Array.isArray(v)) return v.map(sorted);
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, x]) => [k, sorted(x)]));
  return v;
}

const isTable = (v: Value | undefined): v is { [key: string]: Value } => v !== null && typeof v === "object" && !Array.isArray(v);

/** Without a value, what is empty around it goes too: `when: {}` says nothing. */
function trimmed(value: Value, path: Path): Path {
  let p = path;
  while (p.length > 3) {
    const up = at(value, p.slice(0, -1));
    if (up && typeof up === "object" && !Array.isArray(up) && Object.keys(up).length > 1) break;
    if (Array.isArray(up)) break;
    p = p.slice(0, -1);
  }
  return p;
}

/**
 * Sets one value. Everything that is not touched stays as it is written, comments and order too.
 * Where that cannot be done by exchanging a piece of the text, the library writes the file anew
 * from its tree, which keeps comments and order, and lays the rest out in its own way.
 */
export function set(text: string, where: Path, value: Value | undefined): string {
  const r = read(text);
  if ("fault" in r) return text;
  const before = at(r.value, where);
  if (isTable(value) && isTable(before) && Object.keys(value).length > 0) { // key by key
    let out = text;
    for (const k of Object.keys(before)) if (!Object.hasOwn(value, k)) out = set(out, [...where, k], undefined);
    for (const [k, v] of Object.entries(value)) if (!Object.hasOwn(before, k) || !same(before[k], v)) out = set(out, [...where, k], v);
    return out;
  }
  const path = value === undefined ? trimmed(r.value, where) : where;
  if (value === undefined && at(r.value, path) === undefined) return text;
  const wanted = r.doc.clone() as Document.Parsed;
  if (value === undefined) wanted.deleteIn(path);
  else wanted.setIn(path, wanted.createNode(value, { flow: value !== null && typeof value === "object" }));
  const want = wanted.toJS({ maxAliasCount: 0 }) as Value;
  try {
    const out = splice(text, r.doc, path, value);
    if (out !== undefined) {
      const check = read(out);
      if (!("fault" in check) && same(check.value, want)) return out;
    }
  } catch {
    // written anew below
  }
  return wanted.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Adds a named thing at the end of its section, which is made if it is not there. */
export function insert(text: string, section: string, name: string, lines: string[]): string {
  const body = [`  ${inline(name)}:`, ...lines.map((l) => `    ${l}`)].join("\n");
  const r = read(text);
  if ("fault" in r) return text;
  const map = isMap(r.doc.contents) ? r.doc.contents : undefined;
  const pair = map ? find(map, section) : undefined;
  if (!pair || !isMap(pair.value) || pair.value.flow || pair.value.items.length === 0) {
    if (pair && pair.value && !(isScalar(pair.value) && pair.value.value === null)) return text;
    if (pair) {
      const stop = lineEnd(text, end(pair.key));
      return `${text.slice(0, stop)}\n${body}${text.slice(stop)}`;
    }
    return `${text.replace(/\n*$/, "\n")}\n${section}:\n${body}\n`;
  }
  const items = pair.value.items;
  const last = items[items.length - 1]!;
  let stop = last.value ? end(last.value) : end(last.key);
  if (text[stop - 1] === "\n") stop--;
  stop = lineEnd(text, stop);
  const indent = start(items[0]!.key) - lineStart(text, start(items[0]!.key));
  const shifted = body.split("\n").map((l) => " ".repeat(Math.max(0, indent - 2)) + l).join("\n");
  return `${text.slice(0, stop)}\n${shifted}${text.slice(stop)}`;
}

/** Where a named thing stands: the line of its key, from 1. */
export function lineOf(text: string, section: string, name: string): number | undefined {
  const r = read(text);
  if ("fault" in r || !isMap(r.doc.contents)) return undefined;
  const s = find(r.doc.contents, section);
  const p = s && isMap(s.value) ? find(s.value, name) : undefined;
  return p ? text.slice(0, start(p.key)).split("\n").length : undefined;
}
