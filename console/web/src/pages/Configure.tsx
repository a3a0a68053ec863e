import { Link, useSearch } from "@tanstack/react-router";
import { useMe, useResources, useRoles } from "../api/queries";
import { Changing, EditPage } from "../config/Things";
import { count, duration, plain } from "../parts/format";
import { useFilter } from "../parts/filter";
import { Many } from "../parts/Many";
import { Empty, Show } from "../parts/States";
import { Badge } from "../parts/Who";

const matches = (q: string, ...texts: (string | undefined)[]): boolean => q.toLowerCase().split(/\s+/).every((w) => texts.join(" ").toLowerCase().includes(w));

/** What there is to reach. */
export function Resources() {
  const me = useMe();
  const search = useSearch({ from: "/resources" });
  const resources = useResources();
  const [q, setQ] = useFilter();
  const admin = !!me.data?.admin;
  if (search.name && admin) return <EditPage section="resources" name={search.name} title="Resources" />;
  return (
    <div className="page wide">
      <h1>Resources</h1>
      <Changing section="resources" one="resource" />
      <input className="filter" type="search" data-filter aria-label="Filter resources" placeholder="Name, type or label" value={q} onChange={(e) => setQ(e.target.value)} />
      <Show of={resources}>
        {(all) => {
          const items = (all.items ?? []).filter((r) => matches(q, r.name, r.type, ...Object.entries(r.labels ?? {}).flat()));
          return items.length ? (
            <Many items={items} className="cards grid" id={(r) => r.name} each={(r) => (
                <article className="card">
                  <header className="card-head"><div><h2 className="card-title">{admin ? <Link data-item to="/resources" search={{ name: r.name }}>{plain(r.name)}</Link> : <span data-item tabIndex={-1}>{plain(r.name)}</span>}</h2><p className="muted">{r.type}{r.address ? ` · ${r.address}` : ""}</p></div>{r.live ? <Link to="/live"><Badge tone="good">{count(r.live, "session")}</Badge></Link> : null}</header>
                  <p>{Object.entries(r.labels ?? {}).map(([k, v]) => <Badge key={k}>{k}: {v}</Badge>)} {r.account === "fixed" ? <Badge tone="lamp">fixed account</Badge> : null}</p>
                  <p className="muted small">{r.roles?.length ? <>reached by {r.roles.join(", ")}</> : "no role reaches it"}{r.door ? <> · at <code>{r.door}</code></> : null}</p>
                  <p className="small"><Link to="/map" search={{ resource: r.name }}>Who can reach it?</Link></p>
                  {r.origin ? <p className="muted tiny">applied from <code>{plain(r.origin)}</code></p> : null}
                </article>
            )} />
          ) : <Empty title={q ? "No resource is like that." : "No resource is configured, or none that you may ask for."} {...(q ? {} : { run: admin ? "curfew apply" : "curfew find" })} />;
        }}
      </Show>
    </div>
  );
}

/** What may be done, where, and by which policies it can be asked for. */
export function Roles() {
  const me = useMe();
  const search = useSearch({ from: "/roles" });
  const roles = useRoles();
  const [q, setQ] = useFilter();
  const admin = !!me.data?.admin;
  if (search.name && admin) return <EditPage section="roles" name={search.name} title="Roles" />;
  return (
    <div className="page wide">
      <h1>Roles</h1>
      <Changing section="roles" one="role" />
      <input className="filter" type="search" data-filter aria-label="Filter roles" placeholder="Name, resource or what it lets one do" value={q} onChange={(e) => setQ(e.target.value)} />
      <Show of={roles}>
        {(all) => {
          const items = (all.items ?? []).filter((r) => matches(q, r.name, r.about, r.effect, ...(r.resources ?? []), ...(r.may ?? [])));
          return items.length ? (
            <Many items={items} className="cards grid" id={(r) => r.name} each={(r) => (
                <article className="card">
                  <h2 className="card-title">{admin ? <Link data-item to="/roles" search={{ name: r.name }}>{plain(r.name)}</Link> : <span data-item tabIndex={-1}>{plain(r.name)}</span>}</h2>
                  {r.about ? <p>{plain(r.about)}</p> : null}
                  <p className="muted">{r.effect ? plain(r.effect) : "It reaches nothing."}</p>
                  {r.dangers?.length ? <ul className="dangers">{r.dangers.map((d) => <li key={d}>{plain(d)}</li>)}</ul> : null}
                  <ul className="lines">{r.may?.map((m) => <li key={m}><code>may {m}</code></li>)}{r.never?.map((m) => <li key={m}><code>never {m}</code></li>)}{r.includes?.map((m) => <li key={m} className="small">and all that {m} may</li>)}{r.excludes?.map((m) => <li key={m} className="small">never together with {m}</li>)}</ul>
                  <p className="muted small">on {r.resources?.length ? r.resources.join(", ") : "nothing"} · up to {duration(r.longest)} · {r.policies?.length ? <>asked for by {r.policies.join(", ")}</> : "no policy gives it"}</p>
                  {r.origin ? <p className="muted tiny">applied from <code>{plain(r.origin)}</code></p> : null}
                </article>
            )} />
          ) : <Empty title={q ? "No role is like that." : admin ? "There is no role: nothing can be asked for." : "No policy lets you ask for anything."} {...(q ? {} : { run: admin ? "curfew apply" : "curfew find" })} />;
        }}
      </Show>
    </div>
  );
}
