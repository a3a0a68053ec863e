import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useId, useState, type KeyboardEvent } from "react";
import "../design/live.css";
import { get, type Schemas } from "../api/client";
import { useMe, usePeople, useResources, type Path } from "../api/queries";
import { Copy } from "../parts/Copy";
import { clock, plain } from "../parts/format";
import { useNow } from "../parts/now";
import { Empty, Show } from "../parts/States";
import { Badge } from "../parts/Who";

const shapes: Record<string, string> = { active: "●", scheduled: "◐", "may ask": "○" };
const tones: Record<string, "good" | "lamp" | "accent"> = { active: "good", scheduled: "lamp", "may ask": "accent" };

/** Who can reach this? What can this person reach? Now, or at a moment that is over. */
export function AccessMap() {
  const search = useSearch({ from: "/map" });
  const go = useNavigate();
  const me = useMe();
  const people = usePeople();
  const resources = useResources();
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const about = search.person ? "person" : "resource";
  const resource = search.resource ?? resources.data?.items?.[0]?.name;
  const person = search.person;
  const at = search.at ? new Date(search.at) : null;
  const graph = search.tab === "graph";
  const set = (change: Record<string, string | undefined>): void => void go({ to: "/map", search: { ...search, ...change }, replace: true });
  const who = useQuery({ queryKey: ["grants", "who-can", resource, search.at], queryFn: ({ signal }) => get<Schemas["Reach"]>("/who-can", { resource, at: search.at }, signal), enabled: about === "resource" && !!resource });
  const what = useQuery({ queryKey: ["grants", "reach", person, search.at], queryFn: ({ signal }) => get<Schemas["Reachable"]>("/reach", { person, at: search.at }, signal), enabled: about === "person" });
  return (
    <div className="page wide">
      <h1>Access map</h1>
      <div className="question card">
        <p className="question-line">
          {about === "resource" ? (
            <>Who can reach <select aria-label="Resource" value={resource ?? ""} onChange={(e) => set({ resource: e.target.value })}>{resources.data?.items?.map((r) => <option key={r.name}>{r.name}</option>)}</select>?</>
          ) : (
            <>What can <select aria-label="Person" value={person ?? ""} onChange={(e) => set({ person: e.target.value })}>{people.data?.items?.filter((p) => viewer || p.id === me.data?.id).map((p) => <option key={p.id} value={p.id}>{plain(p.name)}</option>)}</select> reach?</>
          )}
          <button type="button" className="button quiet" onClick={() => set(about === "resource" ? { person: me.data?.id, resource: undefined } : { person: undefined, resource: resources.data?.items?.[0]?.name })}>
            <span>{about === "resource" ? "Ask about a person" : "Ask about a resource"}</span>
          </button>
        </p>
        <Moment at={at} set={(t) => set({ at: t?.toISOString() })} />
      </div>
      {about === "resource" && !resource && resources.data ? <Empty title="There is nothing that you can reach, or ask for." run="curfew find" />
        : about === "resource" ? (
        <Show of={who}>{(r) => <Paths paths={r.paths ?? []} first="Who" name={(p) => plain(p.person.name)} link={(p) => ({ person: p.person.id })} run={`curfew who-can ${r.resource}${at ? ` --at ${at.toISOString()}` : ""}`} />}</Show>
      ) : (
        <Show of={what}>{(r) => <Paths paths={r.paths ?? []} first="What" name={(p) => p.resource ?? ""} link={(p) => ({ resource: p.resource })} run={`curfew can ${/^[\w.+@-]+$/.test(r.person.email ?? "") ? r.person.email : r.person.id}${at ? ` --at ${at.toISOString()}` : ""}`} />}</Show>
      )}
      {!viewer ? <p className="muted small">You see your own paths. Administrators and auditors see everybody’s.</p> : null}
    </div>
  );

  function Paths({ paths, first, name, link, run }: { paths: Path[]; first: string; name: (p: Path) => string; link: (p: Path) => Record<string, string | undefined>; run: string }) {
    if (!paths.length) return <Empty title={at ? "Nobody could, then." : "Nobody can, and nobody can ask."} run={run} />;
    const counts = ["active", "scheduled", "may ask"].map((h) => [h, paths.filter((p) => p.how === h).length] as const).filter(([, n]) => n);
    return (
      <>
        <p className="legend">{counts.map(([h, n]) => <span key={h}><Badge tone={tones[h]}>{shapes[h]} {n} {h === "active" ? (at ? "active then" : "active now") : h}</Badge> </span>)}</p>
        <Tabs graph={graph} set={(v) => set({ tab: v ? "graph" : undefined })}
          list={<Table paths={paths} first={first} name={name} link={link} />}
          drawing={<Graph paths={paths} of={about === "resource" ? resource ?? "" : plain(what.data?.person.name ?? "")} about={about} name={name} link={link} />} />
        <Copy text={run} />
      </>
    );
  }
}

/** The same answer in two forms. */
function Tabs({ graph, set, list, drawing }: { graph: boolean; set: (graph: boolean) => void; list: React.ReactNode; drawing: React.ReactNode }) {
  const id = useId();
  const keys = (e: KeyboardEvent): void => {
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
    e.preventDefault();
    set(!graph);
    document.getElementById(`${id}-${graph ? "list" : "graph"}`)?.focus();
  };
  return (
    <>
      <div className="segments map-tabs" role="tablist" aria-label="How it is shown" onKeyDown={keys}>
        {([["list", "Table"], ["graph", "Graph"]] as const).map(([of, text]) => (
          <button type="button" role="tab" key={of} id={`${id}-${of}`} className="segment-button" aria-selected={graph === (of === "graph")} aria-controls={`${id}-panel`} tabIndex={graph === (of === "graph") ? 0 : -1} onClick={() => set(of === "graph")}>{text}</button>
        ))}
      </div>
      <div role="tabpanel" className="tab-panel" id={`${id}-panel`} aria-labelledby={`${id}-${graph ? "graph" : "list"}`}>{graph ? drawing : list}</div>
    </>
  );
}

type Shown = { paths: Path[]; name: (p: Path) => string; link: (p: Path) => Record<string, string | undefined> };

function Table({ paths, first, name, link }: Shown & { first: string }) {
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label="Paths">
      <table className="table">
        <thead><tr><th>{first}</th><th>How</th><th>Role</th><th>What it lets them do</th><th>By which path</th></tr></thead>
        <tbody>
          {paths.map((p, i) => (
            <tr key={i}>
              <td><Link to="/map" search={(s: Record<string, string | undefined>) => ({ at: s.at, tab: s.tab, ...link(p) })}>{name(p)}</Link></td>
              <td className="nowrap"><Badge tone={tones[p.how]}>{shapes[p.how]} {p.how}</Badge>{p.until && p.how === "active" ? <span className="muted"> until {clock(p.until)}</span> : null}</td>
              <td><code>{p.role}</code></td>
              <td>{plain(p.effect)}</td>
              <td className="muted">{p.policy ? <>policy {p.policy}: </> : null}{plain(p.why)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The most lines that are drawn; the list has all. */
const mostDrawn = 60;

/** Who, by which role, reaches what: three columns. The list below says the same. */
function Graph({ paths, of, about, name, link }: Shown & { of: string; about: "resource" | "person" }) {
  const drawn = paths.slice(0, mostDrawn);
  const ends = [...new Set(drawn.map(name))];
  const roles = [...new Set(drawn.map((p) => p.role))];
  const row = 44;
  const height = Math.max(ends.length, roles.length, 1) * row + 30;
  const y = (i: number, n: number): number => 30 + ((height - 30) / n) * (i + 0.5);
  const short = (t: string): string => (t.length > 26 ? `${t.slice(0, 25)}…` : t);
  const edge = (how: string): string => `graph-edge ${how === "may ask" ? "may" : how}`;
  const best = (role: string): string => drawn.filter((p) => p.role === role).map((p) => p.how).sort()[0] ?? "may ask"; // active before may ask before scheduled
  return (
    <section aria-label="Graph" className="card">
      <div className="graph-room" tabIndex={0} role="group" aria-label="The drawing: the table says the same"><svg className="graph" viewBox={`0 0 900 ${height}`} aria-hidden focusable="false">
        <text className="graph-head" x="10" y="16">{about === "resource" ? "Who" : "What"}</text><text className="graph-head" x="350" y="16">By which role</text><text className="graph-head" x="700" y="16">{about === "resource" ? "Reaches" : "Who"}</text>
        {drawn.map((p, i) => { const a = y(ends.indexOf(name(p)), ends.length); const b = y(roles.indexOf(p.role), roles.length); return <path key={i} className={edge(p.how)} d={`M210 ${a} C 280 ${a}, 280 ${b}, 350 ${b}`} />; })}
        {roles.map((r, i) => { const a = y(i, roles.length); const b = y(0, 1); return <path key={r} className={edge(best(r))} d={`M560 ${a} C 630 ${a}, 630 ${b}, 700 ${b}`} />; })}
        {ends.map((n, i) => <g key={n}><rect className="graph-box" x="10" y={y(i, ends.length) - 15} width="200" height="30" rx="5" /><text x="20" y={y(i, ends.length) + 5}>{short(n)}</text></g>)}
        {roles.map((r, i) => <g key={r}><rect className="graph-box" x="350" y={y(i, roles.length) - 15} width="210" height="30" rx="5" /><text x="360" y={y(i, roles.length) + 5}>{short(r)}</text></g>)}
        <rect className="graph-box" x="700" y={y(0, 1) - 15} width="190" height="30" rx="5" /><text x="710" y={y(0, 1) + 5}>{short(of)}</text>
      </svg></div>
      {paths.length > mostDrawn ? <p className="muted small">The first {mostDrawn} of {paths.length} paths are drawn; the list has all.</p> : null}
      <h2>The same as a list</h2>
      <ul className="paths">
        {paths.map((p, i) => <li key={i}><Link to="/map" search={(s: Record<string, string | undefined>) => ({ at: s.at, tab: s.tab, ...link(p) })}>{name(p)}</Link> → <code>{p.role}</code> → {of} <Badge tone={tones[p.how]}>{shapes[p.how]} {p.how}</Badge></li>)}
      </ul>
    </section>
  );
}

/** A moment: now, or one that is over, by a slider, buttons, or written down. */
function Moment({ at, set }: { at: Date | null; set: (t: Date | null) => void }) {
  const now = useNow();
  const days = 30;
  const span = days * 86_400_000;
  const back = at ? Math.min(span, now - at.getTime()) : 0;
  const [drag, setDrag] = useState<number | null>(null);
  const value = drag ?? span - back;
  const commit = (v: number): void => {
    setDrag(null);
    set(span - v < 60_000 ? null : new Date(now - (span - v)));
  };
  const step = (ms: number): void => commit(Math.min(span, Math.max(0, span - back + ms)));
  const local = (d: Date): string => new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <div className="moment" role="group" aria-label="At which moment">
      <button type="button" className="button plain" onClick={() => step(-86_400_000)}><span>1 d before</span></button>
      <button type="button" className="button plain" onClick={() => step(-3_600_000)}><span>1 h before</span></button>
      <input type="range" min={0} max={span} step={60_000} value={value} aria-label={`Within the last ${days} days`} aria-valuetext={at ? clock(at) : "now"}
        onChange={(e) => setDrag(Number(e.target.value))} onPointerUp={(e) => commit(Number(e.currentTarget.value))} onKeyUp={(e) => commit(Number(e.currentTarget.value))} />
      <button type="button" className="button plain" disabled={!at} onClick={() => step(3_600_000)}><span>1 h after</span></button>
      <input type="datetime-local" aria-label="At" value={local(drag !== null ? new Date(now - (span - drag)) : at ?? new Date(now))} max={local(new Date(now))} onChange={(e) => { const d = new Date(e.target.value); if (!Number.isNaN(d.getTime())) set(d.getTime() > now - 60_000 ? null : d); }} />
      <button type="button" className="button plain" aria-pressed={!at} onClick={() => set(null)}><span>Now</span></button>
    </div>
  );
}
