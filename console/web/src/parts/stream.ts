import { useEffect, useRef, useState } from "react";
import { address, Failure } from "../api/client";
import type { Schemas } from "../api/client";
import type { Item } from "../api/queries";

export type Tape = { items: Item[]; over: boolean; fault: string };

/** The most items that one page holds; what came before is counted, and in the transcript. */
const most = 20_000;

/**
 * Follows a recording from its first item. What comes is gathered and shown once a
 * frame, so that however much is said the page stays quick.
 */
export function useTape(session: string, on: boolean): Tape & { dropped: number; broken: boolean } {
  const [state, set] = useState<Tape & { dropped: number; broken: boolean }>({ items: [], over: false, fault: "", dropped: 0, broken: false });
  const seen = useRef(0);
  useEffect(() => {
    if (!on) return;
    let gathered: Item[] = [];
    let frame = 0;
    let over = false;
    let fault = "";
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    seen.current = 0;
    set({ items: [], over: false, fault: "", dropped: 0, broken: false });
    const flush = (): void => {
      frame = 0;
      const more = gathered;
      gathered = [];
      set((s) => {
        const all = more.length ? [...s.items, ...more] : s.items;
        const extra = Math.max(0, all.length - most);
        return { items: extra ? all.slice(extra) : all, over, fault, dropped: s.dropped + extra, broken: false };
      });
    };
    const soon = (): void => { frame ||= requestAnimationFrame(flush); };
    const open = (): void => {
      source = new EventSource(address(`/sessions/${encodeURIComponent(session)}/watch`));
      const take = (e: Event): void => {
        const m = e as MessageEvent<string>;
        const n = Number(m.lastEventId);
        if (n <= seen.current) return; // the gateway begins again at the first
        seen.current = n;
        const it = JSON.parse(m.data) as Item;
        if (it.kind === "fault") {
          fault = it.error ?? "";
          over = true;
          source?.close();
        } else gathered.push(it);
        soon();
      };
      source.addEventListener("item", take);
      source.addEventListener("fault", take);
      source.addEventListener("end", () => {
        over = true;
        source?.close();
        soon();
      });
      source.onerror = () => {
        source?.close();
        if (gone || over) return;
        set((s) => ({ ...s, broken: true }));
        timer = setTimeout(open, 1500);
      };
    };
    open();
    return () => {
      gone = true;
      source?.close();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [session, on]);
  return state;
}

export type Screen = Schemas["Screen"];

/** What a session's terminal shows now; null where it has none. */
export function useScreen(session: string, on: boolean): Screen | null {
  const [screen, set] = useState<Screen | null>(null);
  useEffect(() => {
    if (!on) return;
    const es = new EventSource(address(`/sessions/${encodeURIComponent(session)}/screen`));
    es.addEventListener("screen", (e) => set(JSON.parse((e as MessageEvent<string>).data) as Screen));
    es.addEventListener("end", () => es.close());
    return () => es.close();
  }, [session, on]);
  return screen;
}

/** A whole recording, as far as it goes now. */
export async function transcript(session: string, signal: AbortSignal): Promise<Item[]> {
  const response = await fetch(address(`/sessions/${encodeURIComponent(session)}/transcript`), { signal, credentials: "same-origin" });
  if (!response.ok) throw new Failure(response.status, (await response.json().catch(() => ({}))) as object);
  const items: Item[] = [];
  const lines = (await response.text()).split("\n");
  for (const line of lines) if (line.trim()) items.push(JSON.parse(line) as Item);
  return items;
}
