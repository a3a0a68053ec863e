import type { Query, QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { anew, shown } from "./anew";
import { address, get } from "./client";
import { isSeen, onSeen } from "./seen";

export type Link = "live" | "reconnecting" | "offline";

let link: Link = "reconnecting";
let since = Date.now();
const listeners = new Set<() => void>();

function set(next: Link): void {
  if (next === link) return;
  link = next;
  since = Date.now();
  for (const f of listeners) f();
}

const subscribe = (f: () => void): (() => void) => {
  listeners.add(f);
  return () => listeners.delete(f);
};

/** Whether this page is told of what changes. */
export function useLink(): Link {
  return useSyncExternalStore(subscribe, () => link);
}

/** When it was last known to be. */
export const lastKnown = (): number => since;

/** Reading takes at most a fourth of the time, and what is shown is never older than this, in ms. */
const share = 3;
const oldest = 2000;

/**
 * Looks again at what belongs to a topic, or at everything: at once, where nothing has happened to
 * it for a moment. While one reading is under way, and three times as long, the next one of the same
 * waits, and one is enough for all that happens meanwhile. So a page before a busy gateway shows the
 * newest, and neither begins to read again and again nor keeps the gateway busy.
 */
function looker(client: QueryClient): (topic?: string) => void {
  const looking = new Set<string>();
  const again = new Set<string>();
  const read = (q: Query): void => {
    const id = q.queryHash;
    if (looking.has(id)) {
      again.add(id);
      return;
    }
    looking.add(id);
    const began = performance.now();
    void anew(client, { queryKey: q.queryKey, exact: true }).finally(() => {
      setTimeout(() => {
        looking.delete(id);
        if (again.delete(id)) read(q);
      }, Math.min(oldest, share * (performance.now() - began)));
    });
  };
  return (topic) => shown(client, topic).forEach(read);
}

/** The gateway shows every 15 s that it lives; so long without is silence, in ms. */
const silent = 40_000;

/**
 * Follows the feed and looks again at what it names. After a break it is taken up
 * where it broke, and everything is looked at once more: nothing is missed.
 */
export function follow(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let after = 0;
  let broken = 0;
  let gone = false;
  let heard = 0;
  const look = looker(client);

  const open = (): void => {
    const es = new EventSource(address("/feed", { after: after || undefined }));
    source = es;
    es.onopen = () => {
      // What was read before the feed began may have changed before it did.
      look();
      broken = 0;
      heard = Date.now();
      set("live");
    };
    es.addEventListener("hint", (e) => {
      const hint = JSON.parse((e as MessageEvent<string>).data) as { position: number; topics: string[] };
      heard = Date.now();
      after = Math.max(after, hint.position);
      for (const topic of hint.topics) look(topic);
    });
    es.addEventListener("alive", () => { heard = Date.now(); });
    es.onerror = () => {
      es.close();
      if (gone) return;
      void get("/me").catch(() => undefined); // whose sign-in is over is led to a new one
      broken++;
      set(broken > 3 ? "offline" : "reconnecting");
      timer = setTimeout(open, Math.min(500 * broken, 5000));
    };
  };
  open();
  // A gateway that says nothing at all, not even that it lives, is away.
  const silence = setInterval(() => {
    if (source?.readyState === EventSource.OPEN && Date.now() - heard > silent) source.dispatchEvent(new Event("error"));
  }, 5000);
  // A page that nobody sees gives its place up: browsers open few streams to one place.
  const unwatch = onSeen(() => {
    if (!isSeen()) {
      source?.close();
      source = null;
      clearTimeout(timer);
    } else if (!source || source.readyState === EventSource.CLOSED) {
      clearTimeout(timer);
      broken = Math.max(broken, 1);
      open();
    }
  });
  return () => {
    gone = true;
    clearInterval(silence);
    unwatch();
    clearTimeout(timer);
    source?.close();
  };
}
