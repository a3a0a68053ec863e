import { useSyncExternalStore } from "react";

/** How long a page may be out of sight before it gives its streams up, in ms: a browser opens few to one place. */
const away = 10_000;

let seen = !document.hidden;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

function put(next: boolean): void {
  seen = next;
  for (const f of listeners) f();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.hidden) timer = setTimeout(() => put(false), away);
  else put(true);
});

/** Whether somebody can see this page, or could a moment ago. */
export const isSeen = (): boolean => seen;

/** Calls f when somebody sees the page again, and when nobody has for a while. */
export function onSeen(f: () => void): () => void {
  listeners.add(f);
  return () => listeners.delete(f);
}

export const useSeen = (): boolean => useSyncExternalStore(onSeen, isSeen);
