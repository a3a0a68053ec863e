import { useQuery } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { once } from "../api/anew";
import { get, position, post, type Schemas } from "../api/client";
import { prove } from "../api/passkey";
import type { Plan } from "../api/queries";

export type Configuration = Schemas["Configuration"];
export type File = { name: string; text: string };
export type Section = "policies" | "roles" | "resources";

/** What is being written, on whichever page: one configuration, one plan. It is kept in this page's memory only. */
export type Draft = { from: Configuration; files: File[] };

let draft: Draft | null = null;
const listeners = new Set<() => void>();
function put(next: Draft | null): void {
  draft = next;
  for (const l of listeners) l();
}
const subscribe = (f: () => void): (() => void) => {
  listeners.add(f);
  return () => listeners.delete(f);
};

const clean = (files: Schemas["File"][] | null | undefined): File[] => (files ?? []).map((f) => ({ name: f.name, text: f.text }));

export const changed = (d: Draft): boolean => d.files.some((f, i) => f.text !== d.from.files?.[i]?.text);

export function write(index: number, text: string): void {
  if (!draft || draft.files[index]?.text === text) return;
  put({ ...draft, files: draft.files.map((f, i) => (i === index ? { ...f, text } : f)) });
}

/** Throws away what is written: all, or what has not been written on since. */
export const discard = (of?: Draft): void => {
  if (!of || of === draft) put(null);
};

/** The schema of the files: what each key is for, in the words of the parser. */
export type Schema = { description?: string; properties?: Record<string, Schema>; additionalProperties?: Schema | boolean; anyOf?: Schema[]; items?: Schema; enum?: string[]; examples?: unknown[] };
export const useSchema = (on: boolean) =>
  useQuery({ queryKey: ["schema"], queryFn: ({ signal }) => get<Schema>("/config/schema", undefined, signal), staleTime: Infinity, enabled: on, meta: once });

/**
 * The configuration that holds and what is written on top of it. What holds may change meanwhile:
 * a draft that nobody has touched follows it, one that somebody has is told that it is stale.
 */
export function useDraft(on: boolean) {
  const holds = useQuery({ queryKey: ["config", "text"], queryFn: ({ signal }) => get<Configuration>("/config", { position: position() }, signal), enabled: on });
  const mine = useSyncExternalStore(subscribe, () => draft);
  useEffect(() => {
    if (holds.data && (!draft || (draft.from !== holds.data && !changed(draft)))) put({ from: holds.data, files: clean(holds.data.files) });
  }, [holds.data, mine]);
  const dirty = !!mine && changed(mine);
  useEffect(() => {
    if (!dirty) return;
    const stay = (e: BeforeUnloadEvent): void => e.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [dirty]);
  return { holds, draft: mine, dirty, stale: dirty && !!holds.data && holds.data.base !== mine.from.base };
}

export const planOf = (d: Draft) => post<Plan>("/config/plan", { files: d.files, base: d.from.base });
export const checkOf = (files: File[]) => post<Plan>("/config/validate", { files });
export const applyOf = (d: Draft, plan: string, passphrase: string) => prove<Plan>("/config/apply", { files: d.files, base: d.from.base, plan, passphrase });
