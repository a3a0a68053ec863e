import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { anew } from "../api/anew";
import { address, Failure, get } from "../api/client";
import type { Schemas } from "../api/client";
import type { Item } from "../api/queries";
import { useSeen } from "../api/seen";

export type Screen = Schemas["Screen"];
export type Peek = Schemas["Peek"];
type Batch = Schemas["Batch"];

/** An item, and where it stands in the recording. */
export type Numbered = { item: Item; number: number };

/** left is how many items are not held: they came faster than anybody reads, or the page has too many. */
export type Tape = { items: Numbered[]; screen: Screen | null; over: boolean; fault: string; left: number; broken: boolean };

const empty: Tape = { items: [], screen: null, over: false, fault: "", left: 0, broken: false };

/** The most that one page holds; what came before is counted, and in the transcript. */
const most = 5_000;
const mostText = 24 << 20;

const sizeOf = (it: Item): number => (it.text?.length ?? 0) + (it.table ? 200 * it.table.length : 0) + 200;

/**
 * Follows a recording: what was said, and the newest screen of its terminal. The gateway
 * gathers what is said within a quarter of a second; what is too much for that it leaves
 * out, and says so. So a page is as quick before a session that says much as before any.
 */
export function useTape(session: string, on: boolean): Tape {
  const [tape, set] = useState<Tape>(empty);
  const seen = useSeen();
  const held = useRef({ of: "", last: 0, size: 0, over: false });
  useEffect(() => {
    if (!on || !seen) return;
    if (held.current.of !== session) {
      held.current = { of: session, last: 0, size: 0, over: false };
      set(empty);
    }
    const h = held.current;
    if (h.over) return;
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const take = (b: Batch): void => {
      const more = (b.items ?? []).map((item, i) => ({ item, number: b.numbers?.[i] ?? 0 })).filter((x) => x.number > h.last);
      h.last = more.at(-1)?.number ?? h.last;
      for (const x of more) h.size += sizeOf(x.item);
      set((t) => {
        let items = more.length ? t.items.concat(more) : t.items;
        let drop = Math.max(0, items.length - most);
        if (h.size > mostText) while (drop < items.length - 1 && h.size > mostText * 0.75) h.size -= sizeOf(items[drop++]!.item);
        if (drop) items = items.slice(drop);
        return { ...t, items, screen: b.screen ?? t.screen, left: t.left + (b.left ?? 0) + drop, broken: false };
      });
    };
    const open = (): void => {
      source = new EventSource(address(`/sessions/${encodeURIComponent(session)}/watch`, { gather: true, after: h.last }));
      source.addEventListener("batch", (e) => take(JSON.parse((e as MessageEvent<string>).data) as Batch));
      const ends = (fault: string): void => {
        gone = true;
        h.over = true;
        source?.close();
        set((t) => ({ ...t, over: true, fault, broken: false }));
      };
      source.addEventListener("fault", (e) => ends((JSON.parse((e as MessageEvent<string>).data) as Item).error ?? "It cannot be read any further."));
      source.addEventListener("end", () => ends(""));
      source.onerror = () => {
        source?.close();
        if (gone) return;
        set((t) => ({ ...t, broken: true }));
        void get(`/sessions/${encodeURIComponent(session)}`).catch((e: unknown) => {
          // Whose sign-in is over is led to a new one; who may not see it any more, is told.
          if (!gone && e instanceof Failure && (e.status === 403 || e.status === 404)) ends(e.message);
        });
        timer = setTimeout(open, 1500);
      };
    };
    open();
    return () => {
      gone = true;
      source?.close();
      clearTimeout(timer);
    };
  }, [session, on, seen]);
  return tape;
}

/**
 * The newest of several sessions: a browser opens few streams to one place, and each look is
 * noted. Sessions that join come in a stream of their own, until there are two; then all share one again.
 */
export function usePeeks(sessions: string[]): Map<string, Peek> {
  const client = useQueryClient();
  const [peeks, set] = useState<Map<string, Peek>>(new Map());
  const streams = useRef<{ source: EventSource; of: string[] }[]>([]);
  const key = [...sessions].sort().join(" ");
  const shown = useRef(new Set<string>());
  shown.current = new Set(sessions);
  const seen = useSeen();
  const [turn, again] = useState(0); // a stream that broke is opened once more
  useEffect(() => {
    if (!seen) {
      for (const s of streams.current) s.source.close();
      streams.current = [];
      return;
    }
    const wanted = key ? key.split(" ") : [];
    const timer = setTimeout(() => {
      const followed = new Set(streams.current.flatMap((s) => s.of));
      const fresh = wanted.filter((id) => !followed.has(id));
      if (!fresh.length) return;
      const whole = streams.current.length > 1 || followed.size + fresh.length > 24;
      if (whole) {
        for (const s of streams.current) s.source.close();
        streams.current = [];
      }
      const of = whole ? wanted : fresh;
      const source = new EventSource(`${address("/peek")}?${of.map((s) => `session=${encodeURIComponent(s)}`).join("&")}`);
      const ends = (): void => {
        source.close();
        streams.current = streams.current.filter((s) => s.source !== source);
      };
      source.addEventListener("peek", (e) => {
        const p = JSON.parse((e as MessageEvent<string>).data) as Peek;
        if (p.over) void anew(client, { queryKey: ["sessions"] }); // over, or not to be seen any more: which, the list says
        set((m) => new Map([...m].filter(([id]) => shown.current.has(id))).set(p.session, p));
      });
      source.addEventListener("end", ends);
      source.onerror = () => {
        if (source.readyState !== EventSource.CLOSED) return;
        ends();
        void anew(client, { queryKey: ["sessions"] });
        setTimeout(() => again((n) => n + 1), 3000);
      };
      streams.current.push({ source, of });
    }, 150);
    return () => clearTimeout(timer);
  }, [key, seen, turn]);
  useEffect(() => () => {
    for (const s of streams.current) s.source.close();
    streams.current = [];
  }, []);
  return peeks;
}

/** A recording as far as it goes now; cut is set where it is longer than a page holds. */
export type Whole = { items: Numbered[]; cut: boolean };

/** The most of a recording that is brought to a page, in bytes. */
export const mostWhole = 32 << 20;

/** A whole recording, read as it comes. */
export async function transcript(session: string, signal: AbortSignal): Promise<Whole> {
  const response = await fetch(address(`/sessions/${encodeURIComponent(session)}/transcript`), { signal, credentials: "same-origin" });
  if (!response.ok) throw new Failure(response.status, (await response.json().catch(() => ({}))) as object);
  const items: Numbered[] = [];
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop()!;
    for (const line of lines) if (line.trim()) items.push({ item: JSON.parse(line) as Item, number: items.length + 1 });
    if (done) return { items, cut: false };
    size += value.length;
    if (size > mostWhole) {
      await reader.cancel();
      return { items, cut: true };
    }
  }
}
