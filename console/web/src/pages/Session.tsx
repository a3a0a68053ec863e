import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { lazy, memo, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { once } from "../api/anew";
import { useGrant, useMe, useSession, type Item, type Session as S } from "../api/queries";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { CutDialog } from "../parts/CutDialog";
import { brief, bytes, clock, count, millis, plain, seconds, span } from "../parts/format";
import { useFilter } from "../parts/filter";
import { Fuse } from "../parts/Fuse";
import { useKeys } from "../parts/keys";
import { Fault, Loading } from "../parts/States";
import { mostWhole, transcript, useTape, type Numbered } from "../parts/stream";
import { Terminal } from "../parts/Terminal";
import { Badge } from "../parts/Who";

const Player = lazy(() => import("../parts/Player"));

/** One session: what it was for, what was said, and its end. */
export function Session() {
  const { id } = useParams({ from: "/sessions/$id" });
  const session = useSession(id);
  const s = session.data;
  if (!s) return <div className="page"><h1>Session</h1>{session.error ? <Fault error={session.error} retry={() => session.refetch()} /> : <Loading />}</div>;
  return <Shown key={s.id} s={s} />;
}

function Shown({ s }: { s: S }) {
  const me = useMe();
  const grant = useGrant(s.grant);
  const search = useSearch({ from: "/sessions/$id" });
  const [cutting, setCutting] = useState(false);
  const go = useNavigate();
  useEffect(() => { // what was chosen elsewhere to be done with it
    if (search.do === "cut" && s.may_cut) setCutting(true);
    if (search.do) void go({ to: "/sessions/$id", params: { id: s.id }, search: { item: search.item, q: search.q }, replace: true });
  }, [search.do]);
  // A session that was live when the page came is followed to its end; one that was over is
  // read. Of one that said very much, what programs have shown is brought only when it is asked for.
  const [wasLive] = useState(s.live);
  const large = s.bytes > atOnce;
  const [all, bringAll] = useState(false);
  const followed = wasLive || large;
  const tape = useTape(s.id, followed && !s.removed);
  const over = !wasLive || tape.over;
  const whole = useQuery({ queryKey: ["transcript", s.id], queryFn: ({ signal }) => transcript(s.id, signal), enabled: over && !s.live && (!large || all) && !s.removed, staleTime: Infinity, gcTime: 60_000, meta: once });
  const items = useMemo(() => (followed ? tape.items : (whole.data?.items ?? [])), [followed, tape.items, whole.data]);
  const isTerminal = useMemo(() => tape.screen !== null || items.some(({ item: i }) => i.kind === "statement" && /^\d+x\d+$/.test(i.tag ?? "")), [items, tape.screen]);
  const from = Number(search.item ?? 0) || undefined;
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const keys = useMemo(() => ({ x: () => { if (s.may_cut) setCutting(true); } }), [s.may_cut]);
  useKeys(keys);
  const g = grant.data;
  return (
    <div className="page wide">
      <header className="page-head">
        <div>
          <p className="small"><Link to="/sessions">Sessions</Link> / <code>{s.id}</code></p>
          <h1>{plain(s.who)} → {s.resource} as {s.role}</h1>
          <p className="muted num">{clock(s.opened)}{s.ended ? `–${clock(s.ended)}` : ""} {s.program ? `· ${plain(s.program)}` : ""} {s.client ? `· from ${s.client}` : ""} {s.viewed?.length ? `· viewed by ${s.viewed.map(plain).join(", ")}` : ""}</p>
        </div>
        <div className="acts">
          {s.live ? <Badge tone="good">live</Badge> : null}
          {s.may_cut ? <Button kind="bad" hint="X" onClick={() => setCutting(true)}>Cut…</Button> : null}
          <a className="button plain" href={`/api/v1/sessions/${encodeURIComponent(s.id)}/export`} download={`${s.id}.evidence`}><span>Export as evidence</span></a>
        </div>
      </header>
      {s.live && g?.start && g.end ? <Fuse start={g.start} end={g.end} /> : null}
      {!s.live ? (
        <section className="card receipt" aria-labelledby="s-receipt">
          <h2 id="s-receipt">Receipt</h2>
          {s.cut_by ? <p><b>{plain(s.cut_by)}</b> cut it{s.cut_why ? <>: <bdi>“{plain(s.cut_why)}”</bdi></> : null}</p> : null}
          <p>{s.cause_text}. {s.terminated ? <Badge tone="good">verified gone at the target{millis(s.cut_took) >= 0.1 ? ` in ${brief(s.cut_took!)}` : ""}</Badge> : s.cut_took ? `The cut took ${brief(s.cut_took)}.` : null}</p>
          <p className="muted num">{count(s.statements, "statement")}, {s.refused} refused, {count(s.rows, "row")}, {bytes(s.bytes)}</p>
          {g?.receipt ? <p>The grant: {g.receipt}</p> : null}
          {s.removed ? null : <p className="muted small">Export it, and anybody can check it without this gateway: <Copy text={`curfew sessions verify ${s.id}.evidence`} /></p>}
        </section>
      ) : null}
      <section className="card" aria-labelledby="s-why">
        <h2 id="s-why">Why it was allowed</h2>
        {g ? (
          <p>{g.policy ? <>policy <code>{g.policy}</code></> : null}{g.workflow ? ` · for ${g.workflow}` : ""}{g.by?.length ? ` · approved by ${g.by.map(plain).join(" and ")}` : " · without anybody’s approval"}{g.bound ? ` · ${g.bound}` : ""} · <Link to="/requests" search={{ tab: viewer ? "all" : "mine", id: g.request }}>the request</Link></p>
        ) : <Loading lines={1} />}
      </section>
      {s.removed ? <section className="state"><p className="state-title">The recording was removed {clock(s.removed)}.</p><p className="muted">{s.removed_why}</p></section> : (
        <>
          {tape.fault ? <Fault error={new Error(tape.fault)} inline /> : null}
          {tape.broken ? <p className="muted small" role="status">The gateway does not answer; this is what it said last.</p> : null}
          {whole.error ? <Fault error={whole.error} retry={() => whole.refetch()} /> : null}
          {(!followed || all) && whole.isPending && over && !whole.error ? <Loading lines={8} /> : null}
          {items.length ? <Timeline items={items} /> : null}
          {tape.screen && !(over && whole.data) ? (
            <section aria-labelledby="s-screen"><h2 id="s-screen">{over ? "On the screen at the end" : "On the screen now"}</h2><Terminal screen={tape.screen} label={over ? "The terminal at the end" : "The terminal now"} full /></section>
          ) : null}
          {isTerminal && large && over && !all ? <p><Button onClick={() => bringAll(true)}>Replay it here</Button> <span className="muted small">{s.bytes > mostWhole ? `It is ${bytes(s.bytes)} long: the first ${bytes(mostWhole)} come to this page; all of it: ` : `It is ${bytes(s.bytes)} long. `}{s.bytes > mostWhole ? <code>curfew replay {s.id}</code> : null}</span></p> : null}
          {isTerminal && over && whole.data ? <Suspense fallback={<Loading lines={8} />}><Player session={s.id} items={whole.data.items} from={from} /></Suspense> : null}
          {whole.data?.cut ? <p className="muted small">The recording goes on; all of it: <code>curfew transcript {s.id}</code></p> : null}
          {tape.left ? <p className="muted small">{count(tape.left, "item")} not held on this page, of those that came fastest or first; everything: <code>curfew transcript {s.id}</code></p> : null}
          {items.length ? <Items items={items} live={wasLive && !tape.over} some={tape.left > 0} /> : wasLive ? <p className="muted">Nothing has been said yet.</p> : null}
        </>
      )}
      <p className="muted small">The same in a terminal: <Copy text={s.live ? `curfew watch ${s.id}` : `curfew replay ${s.id}`} /></p>
      <CutDialog session={s} open={cutting} onClose={() => setCutting(false)} />
    </div>
  );
}

/** A recording as large as this is brought to the page at once, in bytes that went through the session. */
const atOnce = 8 << 20;

const marks: Record<string, string> = { statement: "mark-say", refused: "mark-bad", held: "mark-wait", notice: "mark-note", cancel: "mark-wait", opened: "mark-note", closed: "mark-note", broken: "mark-bad" };

/** When what happened: each mark leads to its item. */
const Timeline = memo(function Timeline({ items: all }: { items: Numbered[] }) {
  const items = all.map((x) => x.item);
  const shown = items.filter((i) => marks[i.kind]);
  const from = Date.parse(items[0]!.at);
  const to = Date.parse(items[items.length - 1]!.at);
  const step = Math.max(1, Math.ceil(shown.length / 600));
  return (
    <section aria-labelledby="s-time">
      <h2 id="s-time" className="sr">Timeline</h2>
      <svg className="timeline" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label={`From ${seconds(items[0]!.at)} to ${seconds(items[items.length - 1]!.at)}: ${count(shown.filter((i) => i.kind === "statement").length, "statement")}, ${shown.filter((i) => i.kind === "refused").length} refused`}>
        <rect className="day-rest" width="1000" height="24" />
        {shown.filter((_, i) => i % step === 0 || shown[i]?.kind === "refused").map((i, n) => {
          const x = to > from ? ((Date.parse(i.at) - from) / (to - from)) * 994 : 0;
          return <rect key={n} className={marks[i.kind]} x={x} y={i.kind === "notice" || i.kind === "opened" || i.kind === "closed" ? 15 : 3} width="4" height={i.kind === "notice" || i.kind === "opened" || i.kind === "closed" ? 6 : 18} />;
        })}
      </svg>
      <div className="day-hours tiny muted num"><span>{seconds(items[0]!.at)}</span><span>{span(to - from)}</span><span>{seconds(items[items.length - 1]!.at)}</span></div>
    </section>
  );
});

/** An item with what came of it. */
type Line = { item: Item; number: number; outcome?: Item; results: Item[] };

/** some: not all of them are here; what came of an item that is not says nothing. */
function lines(items: Numbered[], some: boolean): Line[] {
  const out: Line[] = [];
  const open = new Map<number, Line>();
  for (const { item, number } of items) {
    const ref = item.ref ?? 0;
    if (item.kind === "outcome" || item.kind === "result") {
      const l = open.get(ref);
      if (l && item.kind === "outcome") l.outcome = item;
      else if (l) l.results.push(item);
      if (l || some) continue;
    }
    if (item.kind === "output" || item.kind === "input" || item.kind === "resize") continue;
    const l: Line = { item, number, results: [] };
    if (ref && item.kind === "statement") open.set(ref, l);
    out.push(l);
  }
  return out;
}

function Items({ items, live, some }: { items: Numbered[]; live: boolean; some: boolean }) {
  const [q, setQ] = useFilter();
  const search = useSearch({ from: "/sessions/$id" });
  const all = useMemo(() => lines(items, some), [items, some]);
  const shown = useMemo(() => {
    const w = q.toLowerCase().split(/\s+/).filter(Boolean);
    return w.length ? all.filter((l) => w.every((x) => `${l.item.text ?? ""} ${l.item.error ?? ""} ${l.outcome?.error ?? ""}`.toLowerCase().includes(x))) : all;
  }, [all, q]);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => box.current, estimateSize: () => 40, overscan: 12 });
  // The list stays at its end until somebody scrolls away by hand: what moves it otherwise is what comes in.
  const stuck = useRef(true);
  const hand = useRef(0);
  const byHand = (): void => { hand.current = performance.now(); };
  const newest = shown.at(-1)?.number ?? 0;
  useEffect(() => { if (live && stuck.current && shown.length) rows.scrollToIndex(shown.length - 1); }, [live, newest]);
  const wanted = Number(search.item ?? 0);
  const at = wanted ? shown.findIndex((l) => l.number >= wanted) : -1;
  useEffect(() => { if (at >= 0) rows.scrollToIndex(at, { align: "center" }); }, [at >= 0]);
  return (
    <section aria-labelledby="s-said">
      <header className="page-head"><h2 id="s-said">What was said</h2><input className="filter" type="search" data-filter placeholder="Filter" aria-label="Filter what was said" value={q} onChange={(e) => setQ(e.target.value)} /></header>
      <div ref={box} className="virtual said" tabIndex={0} role="group" aria-label="Statements" onWheel={byHand} onTouchMove={byHand} onKeyDown={byHand} onPointerDown={byHand} onPointerMove={(e) => { if (e.buttons) byHand(); }}
        onScroll={(e) => { const t = e.currentTarget; const end = t.scrollTop + t.clientHeight > t.scrollHeight - 40; if (end || performance.now() - hand.current < 1000) stuck.current = end; }}>
        <div className="virtual-space" role="list" ref={(n) => { if (n) n.style.height = `${rows.getTotalSize()}px`; }}>
          {rows.getVirtualItems().map((v) => {
            const l = shown[v.index]!;
            return (
              <div key={l.number} role="listitem" aria-setsize={shown.length} aria-posinset={v.index + 1} className={`virtual-row said-row${l.number === wanted ? " wanted" : ""}`} data-index={v.index} ref={(n) => { if (n) { n.style.transform = `translateY(${v.start}px)`; rows.measureElement(n); } }}>
                <Said line={l} />
              </div>
            );
          })}
        </div>
      </div>
      {q && !shown.length ? <p className="muted">Nothing here has these words.</p> : null}
    </section>
  );
}

function Said({ line: { item: i, outcome: o, results } }: { line: Line }) {
  const bad = i.kind === "refused" || i.kind === "broken" || i.kind === "fault";
  return (
    <>
      <span className="num muted said-at">{seconds(i.at)}</span>
      <div className="said-what">
        {i.kind !== "statement" ? <Badge tone={bad ? "bad" : i.kind === "held" ? "lamp" : "plain"}>{i.kind}</Badge> : null}
        {i.text ? <pre className={i.kind === "notice" ? "muted" : undefined} tabIndex={i.text.length > 300 || i.text.split("\n", 12).length > 11 ? 0 : undefined}>{plain(i.text)}</pre> : null}
        {i.values?.length ? <p className="small muted">{i.values.map((v) => (v.null ? "NULL" : v.binary ? `(${count(v.cut ?? v.text?.length ?? 0, "byte")})` : plain(v.text ?? ""))).join(", ")}</p> : null}
        {i.error ? <p className="said-bad">{plain(i.error)} {i.code ? <code>{i.code}</code> : null}</p> : null}
        {o?.error ? <p className="said-bad">{plain(o.error)} {o.code ? <code>{o.code}</code> : null}</p> : null}
        {results.map((r, n) => <Result key={n} r={r} />)}
      </div>
      <span className="num muted said-sum">{o ? <>{o.tag ? plain(o.tag) : o.rows ? count(o.rows, "row") : ""} {o.took_ms ? `${o.took_ms < 10 ? o.took_ms.toFixed(1) : Math.round(o.took_ms)} ms` : ""}</> : null}</span>
    </>
  );
}

function Result({ r }: { r: Item }) {
  if (!r.table?.length) return r.text ? <pre className="small">{plain(r.text)}</pre> : null;
  return (
    <details>
      <summary className="small">{count(r.table.length, "row")} kept{r.left ? `, ${r.left} more were not` : ""}</summary>
      <div className="table-box">
        <table className="table small">
          {r.columns?.length ? <thead><tr>{r.columns.map((c, n) => <th key={n}>{plain(c)}</th>)}</tr></thead> : null}
          <tbody>{r.table.slice(0, 200).map((row, n) => <tr key={n}>{row?.map((v, m) => <td key={m}>{v.null ? <span className="muted">NULL</span> : v.binary ? "(bytes)" : plain(v.text ?? "")}</td>)}</tr>)}</tbody>
        </table>
      </div>
    </details>
  );
}

