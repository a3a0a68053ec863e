import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { once } from "../api/anew";
import { Failure, get, type Schemas } from "../api/client";
import { older, useAudit, useMe, type Entry } from "../api/queries";
import { Button } from "../parts/Button";
import { clock, count, plain, seconds } from "../parts/format";
import { Empty, Fault, Loading } from "../parts/States";
import { Badge } from "../parts/Who";
import { say } from "../parts/Toasts";
import { useWidth } from "../parts/width";

const words = ["kind", "person", "resource", "grant", "request", "session"] as const;
type Word = (typeof words)[number];

/** "kind:grant. person:alice": what it narrows by ("grant." alone is a kind), and the words that narrow nothing. */
export function parse(q: string): { by: Partial<Record<Word, string>>; lost: string[] } {
  const by: Partial<Record<Word, string>> = {};
  const lost: string[] = [];
  for (const w of q.split(/\s+/).filter(Boolean)) {
    const [name, ...rest] = w.split(":");
    if (rest.join(":") && (words as readonly string[]).includes(name ?? "") && !by[name as Word]) by[name as Word] = rest.join(":");
    else if (/^[a-z]+\.[a-z_]*$/.test(w) && !by.kind) by.kind = w;
    else lost.push(w);
  }
  return { by, lost };
}

const ready: [string, string][] = [["everything", ""], ["grants", "kind:grant."], ["decisions", "kind:request."], ["sessions", "kind:session."], ["recordings looked at", "kind:recording"], ["people", "kind:principal."], ["configuration", "kind:policy."], ["alarms", "kind:lease."]];
const store = "curfew.audit.views";

/** A search without one of its words. */
const without = (q: string, name: string, value: string): string => q.split(/\s+/).filter((w) => w !== `${name}:${value}` && !(name === "kind" && w === value)).join(" ");

/** A ledger of so many events is verified when the page opens; a longer one when it is asked for. */
const bySelf = 100_000;

/** What was decided, newest first: one search, when it was, and the state of the chain. */
export function Audit() {
  const search = useSearch({ from: "/audit" });
  const go = useNavigate();
  const me = useMe();
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const [q, setQ] = useState(search.q ?? "");
  useEffect(() => setQ(search.q ?? ""), [search.q]);
  const [saved, setSaved] = useState<string[]>(() => { try { return JSON.parse(localStorage.getItem(store) ?? "[]") as string[]; } catch { return []; } });
  const { by, lost } = useMemo(() => parse(search.q ?? ""), [search.q]);
  const audit = useAudit({ ...by, from: search.from, to: search.to }, viewer && !lost.length);
  const head = useQuery({ queryKey: ["audit", "head"], queryFn: ({ signal }) => get<Schemas["Head"]>("/ledger/head", undefined, signal), enabled: viewer });
  const chain = useQuery({ queryKey: ["chain"], queryFn: ({ signal }) => get<Schemas["Chain"]>("/ledger/check", undefined, signal), enabled: viewer && !!head.data && head.data.size <= bySelf, staleTime: Infinity, retry: false, meta: once });
  const items = useMemo(() => audit.data?.pages.flatMap((p) => p.items ?? []) ?? [], [audit.data]);
  const set = (next: { q?: string; from?: string; to?: string }): void => void go({ to: "/audit", search: { q: next.q || undefined, from: next.from, to: next.to } });
  const keep = (all: string[]): void => { setSaved(all); localStorage.setItem(store, JSON.stringify(all)); };
  if (me.data && !viewer) return <div className="page"><h1>Audit</h1><Fault error={new Failure(403, { title: "The audit log is for administrators and auditors.", detail: "What concerns you is in My access and Sessions." })} /></div>;
  return (
    <div className="page wide">
      <header className="page-head">
        <h1>Audit</h1>
        <div className="acts">
          <p className="muted small" role="status">{chain.data ? (chain.data.ok ? <><Badge tone="good">verified to {clock(chain.data.last)}</Badge> {chain.data.events.toLocaleString()} events, {chain.data.heads.toLocaleString()} signed heads, by this gateway</>
            : <><Badge tone="bad">not what was signed</Badge> {plain(chain.data.problem ?? "")}</>) : chain.isFetching ? "verifying…" : chain.error ? "It could not be verified now." : head.data ? <><Badge>signed</Badge> {head.data.size.toLocaleString()} events to {clock(head.data.time)}</> : null}</p>
          <Button busy={chain.isFetching} onClick={() => void chain.refetch()}>Verify</Button>
        </div>
      </header>
      <form className="filters" role="search" onSubmit={(e) => { e.preventDefault(); set({ q, from: search.from, to: search.to }); }}>
        <input className="filter" type="search" data-filter aria-label="Search the audit log" placeholder="kind:grant. person:alice resource:orders-db session:s_…" value={q} onChange={(e) => setQ(e.target.value)} />
        <Button type="submit">Search</Button>
        <Button onClick={() => { if (q && !saved.includes(q)) { keep([...saved, q]); say("The view is kept, in this browser."); } }} disabled={!q || saved.includes(q)}>Keep view</Button>
        <a className="button plain" href="/api/v1/ledger/export" download="ledger.curfew"><span>Export, signed</span></a>
        <Button onClick={() => download(items, "ndjson")} disabled={!items.length}>NDJSON</Button>
        <Button onClick={() => download(items, "csv")} disabled={!items.length}>CSV</Button>
      </form>
      <div className="chips" role="group" aria-label="Views">
        {ready.map(([name, v]) => <button type="button" key={name} className="chip" aria-pressed={(search.q ?? "") === v} onClick={() => set({ q: v })}>{name}</button>)}
        {saved.map((v) => <span key={v} className="chip-pair"><button type="button" className="chip" aria-pressed={search.q === v} onClick={() => set({ q: v })}>{v}</button><button type="button" className="chip" aria-label={`Forget the view ${v}`} onClick={() => keep(saved.filter((x) => x !== v))}>×</button></span>)}
        {Object.entries(by).map(([w, v]) => <button type="button" key={w} className="chip" aria-label={`Without ${w} ${v}`} onClick={() => set({ q: without(search.q ?? "", w, v), from: search.from, to: search.to })}>{w}: {plain(v)} ×</button>)}
        {search.from ? <button type="button" className="chip" aria-pressed onClick={() => set({ q: search.q })}>{clock(search.from)} – {clock(search.to)} ×</button> : null}
      </div>
      {lost.length ? <p className="fault inline" role="alert"><span>Nothing is narrowed by {lost.map((w, i) => <span key={i}>{i ? ", " : ""}<code>{plain(w)}</code></span>)}. There are {words.map((w, i) => <span key={w}>{i ? ", " : ""}<code>{w}:</code></span>)}, each once; for example <code>person:{plain((lost[0] ?? "").replace(/^.*:/, "")) || "alice"}</code>.</span></p> : null}
      {!lost.length && items.length > 1 ? <Histogram items={items} pick={(from, to) => set({ q: search.q, from, to })} /> : null}
      {lost.length ? null : audit.error && !audit.data ? <Fault error={audit.error} retry={() => audit.refetch()} /> : audit.isPending ? <Loading lines={8} /> : items.length === 0 ? <Empty title="Nothing in the log is like that." run="curfew audit" /> : (
        <>
          <div className="table-box" tabIndex={0} role="region" aria-label="Events">
            <table className="table">
              <thead><tr><th>#</th><th>When</th><th>What</th><th>Of</th></tr></thead>
              <tbody>{items.map((e) => <Line key={e.position} e={e} />)}</tbody>
            </table>
          </div>
          {audit.hasNextPage ? <Button busy={audit.isFetchingNextPage} onClick={() => void older(audit)}>Older</Button> : <p className="muted small">{count(items.length, "event")}, and that is all.</p>}
        </>
      )}
    </div>
  );
}

function Line({ e }: { e: Entry }) {
  return (
    <tr>
      <td className="num muted">{e.position}</td>
      <td className="num nowrap" title={e.at}>{clock(e.at)}<span className="muted">:{seconds(e.at).slice(-2)}</span></td>
      <td><details><summary data-item>{plain(e.text)}</summary><pre className="small">{plain(JSON.stringify(e.body, null, 1))}</pre></details></td>
      <td className="nowrap small">
        {e.session ? <Link to="/sessions/$id" params={{ id: e.session }}>session</Link> : null} {e.request ? <Link to="/requests" search={{ tab: "all", id: e.request }}>request</Link> : null} {e.grant ? <Link to="/audit" search={{ q: `grant:${e.grant}` }}>grant</Link> : null}
      </td>
    </tr>
  );
}

/** When it was; a bar narrows to its time. */
function Histogram({ items, pick }: { items: Entry[]; pick: (from: string, to: string) => void }) {
  const to = Date.parse(items[0]!.at);
  const from = Date.parse(items[items.length - 1]!.at);
  const wide = useWidth();
  const room = wide <= 720 ? wide - 40 : wide <= 1100 ? wide - 130 : Math.min(wide - 290, 1220);
  const n = Math.max(6, Math.floor(room / 26)); // each is wide enough to be hit
  const width = Math.max(1, (to - from + 1) / n);
  const bars = Array.from({ length: n }, () => 0);
  for (const e of items) bars[Math.min(n - 1, Math.floor((Date.parse(e.at) - from) / width))]!++;
  const most = Math.max(...bars);
  return (
    <figure className="histogram">
      <div className="histogram-bars" role="group" aria-label="When; choose a bar to narrow">
        {bars.map((b, i) => b ? (
          <button type="button" key={i} aria-label={`${count(b, "event")} from ${clock(new Date(from + i * width))}`} title={`${b}, ${clock(new Date(from + i * width))}`}
            onClick={() => pick(new Date(from + i * width).toISOString(), new Date(from + (i + 1) * width).toISOString())}>
            <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden focusable="false"><rect className="bar-fill" y={100 - (b / most) * 100} width="9" height={(b / most) * 100} /></svg>
          </button>
        ) : <span key={i} />)}
      </div>
      <figcaption className="day-hours tiny muted num"><span>{clock(new Date(from))}</span><span>{clock(new Date(to))}</span></figcaption>
    </figure>
  );
}

/** A cell that a spreadsheet does not take for a formula. */
const cell = (t: string): string => `"${(/^[=+\-@\t\r]/.test(t) ? `'${t}` : t).replace(/"/g, '""')}"`;

function download(items: Entry[], form: "csv" | "ndjson"): void {
  const text = form === "ndjson" ? items.map((e) => JSON.stringify(e)).join("\n") + "\n"
    : ["position,at,kind,who,resource,text", ...items.map((e) => [String(e.position), e.at, e.kind, e.who ?? "", e.resource ?? "", plain(e.text)].map(cell).join(","))].join("\r\n");
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([text], { type: form === "csv" ? "text/csv" : "application/x-ndjson" }));
  a.download = `audit.${form}`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}
