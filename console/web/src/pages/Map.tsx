import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
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
      {about === "resource" ? (
        <Show of={who}>{(r) => <Paths paths={r.paths ?? []} first="Who" name={(p) => plain(p.person.name)} link={(p) => ({ person: p.person.id, resource: undefined })} run={`curfew who-can ${r.resource}${at ? ` --at ${at.toISOString()}` : ""}`} />}</Show>
      ) : (
        <Show of={what}>{(r) => <Paths paths={r.paths ?? []} first="What" name={(p) => p.resource ?? ""} link={(p) => ({ person: undefined, resource: p.resource })} run={`curfew find`} />}</Show>
      )}
      {!viewer ? <p className="muted small">You see your own paths. Administrators and auditors see everybody’s.</p> : null}
    </div>
  );

  function Paths({ paths, first, name, link, run }: { paths: Path[]; first: string; name: (p: Path) => string; link: (p: Path) => Record<string, string | undefined>; run: string }) {
    if (!paths.length) return <Empty title={at ? "Nobody could, then." : "Nobody can, and nobody can ask."} run={run} />;
    const counts = ["active", "scheduled", "may ask"].map((h) => [h, paths.filter((p) => p.how === h).length] as const).filter(([, n]) => n);
    return (
      <>
        <p className="legend">{counts.map(([h, n]) => <span key={h}><Badge tone={tones[h]}>{shapes[h]} {n} {h === "active" ? "active now" : h === "may ask" ? "may ask" : h}</Badge> </span>)}</p>
        <div className="table-box" tabIndex={0} role="region" aria-label="Paths">
          <table className="table">
            <thead><tr><th>{first}</th><th>How</th><th>Role</th><th>What it lets them do</th><th>By which path</th></tr></thead>
            <tbody>
              {paths.map((p, i) => (
                <tr key={i}>
                  <td><Link to="/map" search={(s: Record<string, string | undefined>) => ({ at: s.at, ...link(p) })}>{name(p)}</Link></td>
                  <td className="nowrap"><Badge tone={tones[p.how]}>{shapes[p.how]} {p.how}</Badge>{p.until && p.how === "active" ? <span className="muted"> until {clock(p.until)}</span> : null}</td>
                  <td><code>{p.role}</code></td>
                  <td>{plain(p.effect)}</td>
                  <td className="muted">{p.policy ? <>policy {p.policy}: </> : null}{plain(p.why)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <Copy text={run} />
      </>
    );
  }
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
      <button type="button" className="button plain" onClick={() => step(-3_600_000)}><span>1 h before</span></button>
      <input type="range" min={0} max={span} step={60_000} value={value} aria-label={`Within the last ${days} days`} aria-valuetext={at ? clock(at) : "now"}
        onChange={(e) => setDrag(Number(e.target.value))} onPointerUp={(e) => commit(Number(e.currentTarget.value))} onKeyUp={(e) => commit(Number(e.currentTarget.value))} />
      <button type="button" className="button plain" disabled={!at} onClick={() => step(3_600_000)}><span>1 h after</span></button>
      <input type="datetime-local" aria-label="At" value={local(drag !== null ? new Date(now - (span - drag)) : at ?? new Date(now))} max={local(new Date(now))} onChange={(e) => { const d = new Date(e.target.value); if (!Number.isNaN(d.getTime())) set(d.getTime() > now - 60_000 ? null : d); }} />
      <button type="button" className="button plain" aria-pressed={!at} onClick={() => set(null)}><span>Now</span></button>
    </div>
  );
}
