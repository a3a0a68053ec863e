import "asciinema-player/dist/bundle/asciinema-player.css";
import { create, type Player as P } from "asciinema-player";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Item } from "../api/queries";
import { Button } from "./Button";
import { count } from "./format";

/** A recording of a terminal as asciicast v2, its gaps as they were. */
export function cast(items: Item[], ref: number): { text: string; columns: number; rows: number; duration: number; said: { at: number; text: string }[] } {
  const start = items.find((i) => i.ref === ref && i.kind === "statement");
  const size = /^(\d+)x(\d+)$/.exec(start?.tag ?? "") ?? ["", "80", "24"];
  const began = Date.parse(start?.at ?? items[0]?.at ?? "");
  const lines = [JSON.stringify({ version: 2, width: Number(size[1]), height: Number(size[2]) })];
  const said: { at: number; text: string }[] = [];
  let at = 0;
  for (const i of items) {
    if (i.ref !== ref) continue;
    at = Math.max(at, (Date.parse(i.at) - began) / 1000);
    if (i.kind === "output") {
      lines.push(JSON.stringify([at, "o", i.text ?? ""]));
      said.push({ at, text: (i.text ?? "").replace(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\u0000-\u0008\u000b-\u001f]/g, "") });
    } else if (i.kind === "input") lines.push(JSON.stringify([at, "i", i.text ?? ""]));
    else if (i.kind === "resize") lines.push(JSON.stringify([at, "r", i.text ?? ""]));
  }
  return { text: lines.join("\n"), columns: Number(size[1]), rows: Number(size[2]), duration: at, said };
}

const speeds = [0.5, 1, 2, 4, 8];

/** Plays a terminal: speed, seek, and search that jumps to the second. */
export default function Player({ items }: { items: Item[] }) {
  const programs = useMemo(() => items.filter((i) => i.kind === "statement" && /^\d+x\d+$/.test(i.tag ?? "")), [items]);
  const [ref, setRef] = useState(programs[0]?.ref ?? 0);
  const [speed, setSpeed] = useState(1);
  const [q, setQ] = useState("");
  const [hit, setHit] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const player = useRef<P | null>(null);
  const tape = useMemo(() => cast(items, ref), [items, ref]);
  const hits = useMemo(() => {
    const w = q.trim().toLowerCase();
    return w ? tape.said.filter((s) => s.text.toLowerCase().includes(w)).map((s) => s.at) : [];
  }, [tape, q]);
  useEffect(() => {
    if (!box.current) return;
    const p = create({ data: tape.text }, box.current, { speed, idleTimeLimit: 2, fit: "width", controls: true, preload: true, terminalFontFamily: "IBM Plex Mono, monospace" });
    player.current = p;
    return () => p.dispose();
  }, [tape, speed]);
  const jump = (n: number): void => {
    if (!hits.length) return;
    const i = (n + hits.length) % hits.length;
    setHit(i);
    void player.current?.seek(Math.max(0, (hits[i] ?? 0) - 0.2));
  };
  return (
    <section aria-labelledby="p-head" className="player">
      <header className="page-head">
        <h2 id="p-head">Replay</h2>
        <div className="acts">
          {programs.length > 1 ? (
            <select aria-label="Program" value={ref} onChange={(e) => setRef(Number(e.target.value))}>
              {programs.map((p) => <option key={p.ref} value={p.ref}>{p.text || `program ${p.ref}`}</option>)}
            </select>
          ) : null}
          <select aria-label="Speed" value={speed} onChange={(e) => setSpeed(Number(e.target.value))}>{speeds.map((s) => <option key={s} value={s}>{s}×</option>)}</select>
          <form onSubmit={(e) => { e.preventDefault(); jump(hit + 1); }} className="acts">
            <input className="filter" type="search" placeholder="Find on the screen" aria-label="Find on the screen" value={q} onChange={(e) => { setQ(e.target.value); setHit(-1); }} />
            <Button onClick={() => jump(hit - 1)} disabled={!hits.length}>Before</Button>
            <Button type="submit" disabled={!hits.length}>Next</Button>
            <span className="muted small num" role="status">{q ? (hits.length ? `${Math.max(hit, 0) + 1} of ${count(hits.length, "place")}` : "nowhere") : ""}</span>
          </form>
        </div>
      </header>
      <div ref={box} className="player-box" />
    </section>
  );
}
