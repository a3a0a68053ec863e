import "asciinema-player/dist/bundle/asciinema-player.css";
import { create, type Player as P, type RecordingEvent } from "asciinema-player";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { get, type Schemas } from "../api/client";
import { Button } from "./Button";
import { clockLeft, count, plain } from "./format";
import { Fault } from "./States";
import type { Numbered } from "./stream";

/** The longest that nothing happens in a replay, in seconds. */
const gap = 2;

type Cast = { cols: number; rows: number; events: RecordingEvent[]; duration: number; at: Map<number, number> };

/** A recording of a terminal as the player takes it, its long gaps shortened. at is when each item comes. */
export function cast(items: Numbered[], ref: number): Cast {
  const start = items.find(({ item: i }) => i.ref === ref && i.kind === "statement")?.item;
  const size = /^(\d+)x(\d+)$/.exec(start?.tag ?? "") ?? ["", "80", "24"];
  const began = Date.parse(start?.at ?? items[0]?.item.at ?? "");
  const out: Cast = { cols: Number(size[1]), rows: Number(size[2]), events: [], duration: 0, at: new Map() };
  let at = 0;
  let real = 0;
  const kinds = { output: "o", input: "i", resize: "r" } as const;
  for (const { item: i, number } of items) {
    if (i.ref !== ref) continue;
    const now = Math.max(real, (Date.parse(i.at) - began) / 1000);
    at += Math.min(now - real, gap);
    real = now;
    out.at.set(number, at);
    const kind = kinds[i.kind as keyof typeof kinds];
    if (kind) out.events.push([at, kind, i.text ?? ""]);
  }
  out.duration = at;
  return out;
}

const terminal = ({ item: i }: Numbered): boolean => i.kind === "statement" && /^\d+x\d+$/.test(i.tag ?? "");
const speeds = [0.5, 1, 2, 4, 8];
type Hit = { number: number; ref: number; at: number; text: string };

/** Plays a terminal: speed, seek, and search that jumps to the second at which the words could be read. */
export default function Player({ session, items, from }: { session: string; items: Numbered[]; from?: number }) {
  const programs = useMemo(() => items.filter(terminal).map((x) => x.item), [items]);
  const [ref, setRef] = useState(() => (from ? items.find((x) => x.number === from)?.item.ref : undefined) ?? programs[0]?.ref ?? 0);
  const [speed, setSpeed] = useState(1);
  const [q, setQ] = useState("");
  const [found, setFound] = useState<{ hits: Hit[]; more: boolean } | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [hit, setHit] = useState(-1);
  const box = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const player = useRef<P | null>(null);
  const start = useRef(0); // where the next player begins
  const playing = useRef(false);
  const tape = useMemo(() => cast(items, ref), [items, ref]);
  useEffect(() => {
    if (!box.current) return;
    const at = start.current;
    const p = create({ data: tape, parser: (data) => ({ ...(data as Cast), events: (data as Cast).events.map(([at, kind, text]): RecordingEvent => [at * 1000, kind, text]) }) }, box.current, { speed, fit: "width", controls: true, preload: true, startAt: at, poster: `npt:${at}`, terminalFontFamily: "IBM Plex Mono, monospace" });
    player.current = p;
    const was = playing.current;
    p.addEventListener("playing", () => { playing.current = true; });
    p.addEventListener("pause", () => { playing.current = false; });
    p.addEventListener("ended", () => { playing.current = false; });
    if (was) void p.play();
    return () => {
      start.current = p.getCurrentTime() || start.current;
      p.dispose();
    };
  }, [tape, speed]);
  const seek = (to: number): void => {
    start.current = Math.max(0, Math.min(to, tape.duration));
    void player.current?.seek(start.current);
  };
  const goTo = (h: Hit): void => {
    if (h.ref === ref) return seek((tape.at.get(h.number) ?? 0) + 0.02);
    start.current = (cast(items, h.ref).at.get(h.number) ?? 0) + 0.02;
    player.current = null; // the next one begins there
    setRef(h.ref);
  };
  useEffect(() => {
    if (from && tape.at.has(from)) seek(tape.at.get(from)! + 0.02);
  }, [from]);
  const jump = (all: Hit[], n: number): void => {
    if (!all.length) return;
    const i = (n + all.length) % all.length;
    setHit(i);
    goTo(all[i]!);
  };
  // The gateway knows what could be read when: a word in colours, one typed letter by letter.
  const search = async (): Promise<void> => {
    const words = q.trim();
    if (!words) return setFound(null);
    if (found) return jump(found.hits, hit + 1);
    try {
      setFault(null);
      const r = await get<Schemas["Hits"]>("/sessions/search", { words, session });
      const one = r.items?.[0];
      const hits = (one?.items ?? []).filter((x) => x.kind === "output" && programs.some((p) => p.ref === x.ref)).map((x) => ({ number: x.number, ref: x.ref ?? 0, at: Date.parse(x.at), text: x.text ?? "" }));
      setFound({ hits, more: !!one?.more });
      jump(hits, 0);
    } catch (e) {
      setFault(e);
    }
  };
  const keys = (e: KeyboardEvent): void => {
    if (e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA|BUTTON)$/.test(e.target.tagName)) return;
    const p = player.current;
    const step = { ArrowLeft: -5, ArrowRight: 5 }[e.key];
    if (e.key === "/") input.current?.focus();
    else if (e.key === " ") void (playing.current ? p?.pause() : p?.play());
    else if (step) seek((p?.getCurrentTime() ?? 0) + step);
    else if (e.key === "Home") seek(0);
    else if (e.key === "End") seek(tape.duration);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <section aria-labelledby="p-head" className="player">
      <header className="page-head">
        <h2 id="p-head">Replay</h2>
        <div className="acts">
          {programs.length > 1 ? (
            <select aria-label="Program" value={ref} onChange={(e) => { start.current = 0; player.current = null; setRef(Number(e.target.value)); }}>
              {programs.map((p) => <option key={p.ref} value={p.ref}>{plain(p.text || `program ${p.ref}`).slice(0, 60)}</option>)}
            </select>
          ) : null}
          <select aria-label="Speed" value={speed} onChange={(e) => setSpeed(Number(e.target.value))}>{speeds.map((s) => <option key={s} value={s}>{s}×</option>)}</select>
          <form role="search" onSubmit={(e) => { e.preventDefault(); void search(); }} className="acts">
            <input ref={input} className="filter" type="search" placeholder="Find on the screen" aria-label="Find on the screen" value={q} onChange={(e) => { setQ(e.target.value); setFound(null); setHit(-1); }} />
            <Button onClick={() => found && jump(found.hits, hit - 1)} disabled={!found?.hits.length}>Before</Button>
            <Button type="submit" disabled={!q.trim() || (!!found && !found.hits.length)}>{found?.hits.length ? "Next" : "Find"}</Button>
            <span className="muted small num" role="status">{found ? (found.hits.length ? `${hit + 1} of ${count(found.hits.length, "place")}${found.more ? ", and more" : ""}, at ${clockLeft((cast(items, found.hits[hit]?.ref ?? ref).at.get(found.hits[hit]?.number ?? 0) ?? 0) * 1000)}` : "nowhere") : ""}</span>
          </form>
        </div>
      </header>
      {fault ? <Fault error={fault} inline /> : null}
      <div ref={box} className="player-box" tabIndex={0} role="group" aria-label="Replay: space plays and stops, arrows go 5 seconds, / searches" onKeyDownCapture={keys} />
      <p className="muted small">Space plays and stops, arrows go 5 seconds, <kbd>/</kbd> searches what could be read on the screen; that you searched is recorded.</p>
    </section>
  );
}
