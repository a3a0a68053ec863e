import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { useGrant, useMe, useSession, type Item, type Session as S } from "../api/queries";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { CutDialog } from "../parts/CutDialog";
import { brief, bytes, clock, count, plain, seconds, span } from "../parts/format";
import { Fuse } from "../parts/Fuse";
import { useKeys } from "../parts/keys";
import { Fault, Loading } from "../parts/States";
import { transcript, useScreen, useTape } from "../parts/stream";
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
  const [cutting, setCutting] = useState(false);
  // A session that was live when the page came is followed to its end; one that was over is read.
  const [wasLive] = useState(s.live);
  const tape = useTape(s.id, wasLive);
  const whole = useQuery({ queryKey: ["transcript", s.id], queryFn: ({ signal }) => transcript(s.id, signal), enabled: !wasLive && !s.removed, staleTime: Infinity, gcTime: 60_000 });
  const items = wasLive ? tape.items : (whole.data ?? []);
  const isTerminal = items.some((i) => i.kind === "statement" && /^\d+x\d+$/.test(i.tag ?? ""));
  const screen = useScreen(s.id, wasLive && isTerminal && !tape.over);
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
          <h2 id="s-receipt">How it ended</h2>
          <p>{s.cause_text}{s.cut_took ? `; the cut took ${brief(s.cut_took)}` : ""}. {s.terminated ? <Badge tone="good">verified gone at the target</Badge> : null}</p>
          <p className="muted num">{count(s.statements, "statement")}, {s.refused} refused, {count(s.rows, "row")}, {bytes(s.bytes)}</p>
          {g?.receipt ? <p className="muted">{g.receipt}</p> : null}
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
          {wasLive && tape.fault ? <Fault error={new Error(tape.fault)} inline /> : null}
          {whole.error ? <Fault error={whole.error} retry={() => whole.refetch()} /> : null}
          {!wasLive && whole.isPending ? <Loading lines={8} /> : null}
          {items.length ? <Timeline items={items} /> : null}
          {screen ? (
            <section aria-labelledby="s-screen"><h2 id="s-screen">On the screen now</h2><pre className="peek full" tabIndex={0}>{screen.lines?.map((l) => plain(l)).join("\n")}</pre></section>
          ) : null}
          {isTerminal && (!wasLive || tape.over) ? <Suspense fallback={<Loading lines={8} />}><Player items={items} /></Suspense> : null}
          {tape.dropped ? <p className="muted small">{count(tape.dropped, "earlier item")} not held on this page; everything: <code>curfew transcript {s.id}</code></p> : null}
          {items.length ? <Items items={items} live={wasLive && !tape.over} first={tape.dropped} /> : wasLive ? <p className="muted">Nothing has been said yet.</p> : null}
        </>
      )}
      <p className="muted small">The same in a terminal: <Copy text={s.live ? `curfew watch ${s.id}` : `curfew replay ${s.id}`} /></p>
      <CutDialog session={s} open={cutting} onClose={() => setCutting(false)} />
    </div>
  );
}

const marks: Record<string, string> = { statement: "mark-say", refused: "mark-bad", held: "mark-wait", notice: "mark-note", cancel: "mark-wait", opened: "mark-note", closed: "mark-note", broken: "mark-bad" };

/** When what happened: each mark leads to its item. */
function Timeline({ items }: { items: Item[] }) {
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
}

/** An item with what came of it. */
type Line = { item: Item; number: number; outcome?: Item; results: Item[] };

function lines(items: Item[], first: number): Line[] {
  const out: Line[] = [];
  const open = new Map<number, Line>();
  items.forEach((item, i) => {
    const ref = item.ref ?? 0;
    if ((item.kind === "outcome" || item.kind === "result") && open.has(ref)) {
      const l = open.get(ref)!;
      if (item.kind === "outcome") l.outcome = item;
      else l.results.push(item);
      return;
    }
    if (item.kind === "output" || item.kind === "input" || item.kind === "resize") return;
    const l: Line = { item, number: first + i + 1, results: [] };
    if (ref && item.kind === "statement") open.set(ref, l);
    out.push(l);
  });
  return out;
}

function Items({ items, live, first }: { items: Item[]; live: boolean; first: number }) {
  const [q, setQ] = useState("");
  const search = useSearch({ from: "/sessions/$id" });
  const all = useMemo(() => lines(items, first), [items, first]);
  const shown = useMemo(() => {
    const w = q.toLowerCase().split(/\s+/).filter(Boolean);
    return w.length ? all.filter((l) => w.every((x) => `${l.item.text ?? ""} ${l.item.error ?? ""} ${l.outcome?.error ?? ""}`.toLowerCase().includes(x))) : all;
  }, [all, q]);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => box.current, estimateSize: () => 40, overscan: 12 });
  const stuck = useRef(true);
  useEffect(() => { if (live && stuck.current && shown.length) rows.scrollToIndex(shown.length - 1); }, [live, shown.length]);
  const wanted = Number(search.item ?? 0);
  const at = wanted ? shown.findIndex((l) => l.number >= wanted) : -1;
  useEffect(() => { if (at >= 0) rows.scrollToIndex(at, { align: "center" }); }, [at >= 0]);
  return (
    <section aria-labelledby="s-said">
      <header className="page-head"><h2 id="s-said">What was said</h2><input className="filter" type="search" data-filter placeholder="Filter" aria-label="Filter what was said" value={q} onChange={(e) => setQ(e.target.value)} /></header>
      <div ref={box} className="virtual said" tabIndex={0} role="group" aria-label="Statements" onScroll={(e) => { const t = e.currentTarget; stuck.current = t.scrollTop + t.clientHeight > t.scrollHeight - 40; }}>
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
        {i.text ? <pre className={i.kind === "notice" ? "muted" : undefined}>{plain(i.text)}</pre> : null}
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

