import { useSyncExternalStore } from "react";

/** The gateway's clock: ours may be wrong, and its is the one that counts. */
let ahead = 0;
export function setServerTime(iso: string): void {
  const t = Date.parse(iso);
  if (Number.isFinite(t)) ahead = t - Date.now();
}
export const serverNow = (): number => Date.now() + ahead;

let ticks = 0;
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();
function subscribe(f: () => void): () => void {
  listeners.add(f);
  timer ??= setInterval(() => {
    ticks++;
    for (const l of listeners) l();
  }, 1000);
  return () => {
    listeners.delete(f);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time now, each second: one timer for the whole page. */
export function useNow(): number {
  useSyncExternalStore(subscribe, () => ticks);
  return serverNow();
}
