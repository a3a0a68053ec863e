import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { once } from "../api/anew";
import { get, type Schemas } from "../api/client";
import { older, useMe, usePeople, useResources, useSessionPages, type Session } from "../api/queries";
import { Button } from "../parts/Button";
import { bytes, clock, count, plain, span } from "../parts/format";
import { Empty, Fault, Loading } from "../parts/States";
import { Badge } from "../parts/Who";

type Hits = Schemas["Hits"];

/** Sessions, narrowed by the gateway; or what was said in them. */
export function Sessions() {
  const search = useSearch({ from: "/sessions" });
  const go = useNavigate();
  const me = useMe();
  const resources = useResources();
  const scope = search.scope === "mine" ? "mine" : "all";
  const [words, setWords] = useState(search.words ?? "");
  useEffect(() => setWords(search.words ?? ""), [search.words]);
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const people = usePeople();
  const narrow = (change: Record<string, string | undefined>): void => void go({ to: "/sessions", search: { ...search, ...change } });
  return (
    <div className="page wide">
      <h1>Sessions</h1>
      <form className="filters" role="search" onSubmit={(e) => { e.preventDefault(); narrow({ words: words.trim() || undefined }); }}>
        <input className="filter" type="search" data-filter placeholder="Words that were said: all of them, refund* for a beginning" aria-label="Search what was said" value={words} onChange={(e) => setWords(e.target.value)} />
        <select aria-label="Resource" value={search.resource ?? ""} onChange={(e) => narrow({ resource: e.target.value || undefined })}>
          <option value="">every resource</option>
          {resources.data?.items?.map((r) => <option key={r.name}>{r.name}</option>)}
        </select>
        <select aria-label="State" value={search.status ?? ""} onChange={(e) => narrow({ status: e.target.value || undefined })} disabled={!!search.words}>
          <option value="">live and over</option><option value="live">live</option>
        </select>
        <select aria-label="Whose" value={scope === "mine" ? "mine" : search.person ?? ""} onChange={(e) => narrow(e.target.value === "mine" ? { scope: "mine", person: undefined } : { scope: undefined, person: e.target.value || undefined })}>
          <option value="">all I may see</option><option value="mine">mine</option>
          {viewer ? people.data?.items?.map((p) => <option key={p.id} value={p.id}>{plain(p.name)}</option>) : null}
        </select>
        <label className="inline small">from <input type="datetime-local" aria-label="Opened from" value={local(search.from)} onChange={(e) => narrow({ from: iso(e.target.value) })} /></label>
        <label className="inline small">to <input type="datetime-local" aria-label="Opened before" value={local(search.to)} onChange={(e) => narrow({ to: iso(e.target.value) })} /></label>
        <Button type="submit">Search</Button>
      </form>
      {search.words ? <Found words={search.words} resource={search.resource} person={scope === "mine" ? me.data?.id : search.person} since={search.from} until={search.to} />
        : <List narrow={{ scope, resource: search.resource, status: search.status, person: scope === "all" ? search.person : undefined, since: search.from, until: search.to }} />}
    </div>
  );
}

/** A moment as its input has it, and back. */
const local = (t: string | undefined): string => { const d = new Date(t ?? ""); return Number.isNaN(d.getTime()) ? "" : new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16); };
const iso = (t: string): string | undefined => { const d = new Date(t); return Number.isNaN(d.getTime()) ? undefined : d.toISOString(); };

function List({ narrow }: { narrow: Record<string, string | undefined> }) {
  const pages = useSessionPages(narrow);
  const items = useMemo(() => pages.data?.pages.flatMap((p) => p.items ?? []) ?? [], [pages.data]);
  if (pages.error && !pages.data) return <Fault error={pages.error} retry={() => pages.refetch()} />;
  if (pages.isPending) return <Loading />;
  if (!items.length && !pages.hasNextPage) return Object.entries(narrow).some(([k, v]) => v && k !== "scope") || narrow.scope === "mine" ? <Empty title="No session is like that."><Link to="/sessions">Clear the filters</Link></Empty> : <Empty title="There was no session yet." run="curfew find">What one can be opened on:</Empty>;
  return (
    <>
      <div className="table-box" tabIndex={0} role="region" aria-label="Sessions">
        <table className="table">
          <thead><tr><th>When</th><th>Who</th><th>Where</th><th>As</th><th className="right">Statements</th><th className="right">Refused</th><th className="right">Rows</th><th className="right">Bytes</th><th>How it ended</th><th>Viewed by</th></tr></thead>
          <tbody>{items.map((s) => <Line key={s.id} s={s} />)}</tbody>
        </table>
      </div>
      {pages.hasNextPage ? <Button busy={pages.isFetchingNextPage} onClick={() => void older(pages)}>Older</Button> : <p className="muted small">{count(items.length, "session")}, and that is all.</p>}
    </>
  );
}

function Line({ s }: { s: Session }) {
  return (
    <tr>
      <td className="nowrap num"><Link data-item to="/sessions/$id" params={{ id: s.id }}>{clock(s.opened)}</Link></td>
      <td className="cut-cell">{plain(s.who)}</td>
      <td>{s.resource}</td>
      <td>{s.role}</td>
      <td className="right num">{s.live ? "" : s.statements}</td>
      <td className="right num">{s.refused ? <Badge tone="bad">{s.refused}</Badge> : s.live ? "" : 0}</td>
      <td className="right num">{s.live ? "" : s.rows}</td>
      <td className="right num nowrap">{s.live ? "" : bytes(s.bytes)}</td>
      <td>{s.live ? <Badge tone="good">live</Badge> : <span className="muted">{s.cause_text}{s.ended ? `, ${span(Date.parse(s.ended) - Date.parse(s.opened))}` : ""}</span>}</td>
      <td className="muted cut-cell">{s.viewed?.map(plain).join(", ")}</td>
    </tr>
  );
}

function Found({ words, resource, person, since, until }: { words: string; resource: string | undefined; person: string | undefined; since: string | undefined; until: string | undefined }) {
  const hits = useInfiniteQuery({
    queryKey: ["search", words, resource, person, since, until],
    queryFn: ({ pageParam, signal }) => get<Hits>("/sessions/search", { words, resource, person, since, until, before: pageParam || undefined }, signal),
    initialPageParam: "",
    getNextPageParam: (l: Hits) => l.next || undefined,
    staleTime: Infinity,
    meta: once,
  });
  if (hits.error) return <Fault error={hits.error} retry={() => hits.refetch()} />;
  if (hits.isPending) return <Loading />;
  const all = hits.data.pages.flatMap((p) => p.items ?? []);
  const looked = hits.data.pages.reduce((n, p) => n + p.looked, 0);
  return (
    <section aria-label="Found" aria-live="polite">
      <p className="muted small">{all.length ? `Found in ${count(all.length, "session")}` : `Nobody said that, in what you may see`}; {count(looked, "session")} looked at. That you searched is recorded.</p>
      <ul className="cards">
        {all.map((h) => (
          <li key={h.session.id} className="card">
            <p><Link to="/sessions/$id" params={{ id: h.session.id }}>{plain(h.session.who)} on {h.session.resource}</Link> <span className="muted">{clock(h.session.opened)}</span></p>
            {h.fault ? <p className="badge bad">{h.fault}</p> : null}
            <ol className="found">
              {h.items?.map((it) => (
                <li key={it.number}><Link to="/sessions/$id" params={{ id: h.session.id }} search={{ item: String(it.number) }} className="num">{clock(it.at)}</Link> <code>{plain(it.text || it.error || "")}</code></li>
              ))}
            </ol>
            {h.more ? <p className="muted small">and more in the same session</p> : null}
          </li>
        ))}
      </ul>
      {hits.hasNextPage ? <Button busy={hits.isFetchingNextPage} onClick={() => void older(hits)}>Search on</Button> : null}
    </section>
  );
}
