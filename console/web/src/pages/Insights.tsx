import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Failure, get, type Schemas } from "../api/client";
import { useMe } from "../api/queries";
import { count, plain, span } from "../parts/format";
import { Empty, Fault, Loading, Show } from "../parts/States";

const Plot = lazy(() => import("../parts/Plot"));

/** How access is used: what was decided how fast, granted and used, and why it ended. */
export function Insights() {
  const search = useSearch({ from: "/insights" });
  const go = useNavigate();
  const me = useMe();
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const days = Math.min(92, Math.max(1, Number(search.days) || 30));
  const insights = useQuery({ queryKey: ["grants", "insights", days], queryFn: ({ signal }) => get<Schemas["Insights"]>("/insights", { days }, signal), enabled: viewer, staleTime: 30_000 });
  if (me.data && !viewer) return <div className="page"><h1>Insights</h1><Fault error={new Failure(403, { title: "Insights are for administrators and auditors." })} /></div>;
  return (
    <div className="page wide">
      <header className="page-head">
        <h1>Insights</h1>
        <div className="segments" role="group" aria-label="How far back">
          {[7, 30, 90].map((d) => <button type="button" key={d} className="segment-button" aria-pressed={d === days} onClick={() => void go({ to: "/insights", search: { days: String(d) } })}>{d} days</button>)}
        </div>
      </header>
      <Show of={insights} lines={8}>
        {(x) => {
          const all = x.days ?? [];
          const total = (f: (d: Schemas["Day"]) => number): number => all.reduce((n, d) => n + f(d), 0);
          if (!total((d) => d.requests)) return <Empty title={`Nobody has asked for anything in ${days} days.`} run="curfew find" />;
          const t = all.map((d) => Date.parse(`${d.day}T00:00:00Z`) / 1000);
          const granted = total((d) => d.granted_min);
          const used = total((d) => d.used_min);
          return (
            <Suspense fallback={<Loading lines={8} />}>
              {x.partial ? <p className="muted">There was more than is counted here: choose fewer days.</p> : null}
              <div className="plots">
                <Plot title="Time to a decision" says={`${count(total((d) => d.decisions), "decision")} by people`} x={t} unit={(v) => span(v * 1000)}
                  lines={[{ name: "half took less than", values: all.map((d) => d.p50_s || null) }, { name: "95 % took less than", values: all.map((d) => d.p95_s || null), lamp: true }]} />
                <Plot title="Minutes granted and used" says={`${Math.round(used).toLocaleString()} of ${Math.round(granted).toLocaleString()} minutes were used`} x={t} unit={(v) => `${Math.round(v)} min`} bars
                  lines={[{ name: "granted", values: all.map((d) => d.granted_min) }, { name: "used", values: all.map((d) => d.used_min), lamp: true }]} />
                <Plot title="Who decided" says={`${total((d) => d.alone)} by policy alone, ${total((d) => d.approved)} by people, ${total((d) => d.refused)} came to nothing`} x={t} unit={(v) => String(v)} bars
                  lines={[{ name: "all", values: all.map((d) => d.requests) }, { name: "by policy alone", values: all.map((d) => d.alone), lamp: true }]} />
                <Plot title="Sessions that Curfew ended" says={`${total((d) => d.cut)} in all`} x={t} unit={(v) => String(v)} bars lines={[{ name: "ended", values: all.map((d) => d.cut) }]} />
                <Counts title="Why grants ended" counts={x.causes ?? []} />
                <Counts title="Busiest roles" counts={x.roles ?? []} />
              </div>
            </Suspense>
          );
        }}
      </Show>
    </div>
  );
}

function Counts({ title, counts }: { title: string; counts: Schemas["Count"][] }) {
  const most = Math.max(1, ...counts.map((c) => c.n));
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      {counts.length ? (
        <table className="counts"><tbody>
          {counts.map((c) => <tr key={c.name}><th scope="row" className="cut-cell">{plain(c.text || c.name)}</th><td className="num right">{c.n}</td><td className="counts-bar" aria-hidden><svg viewBox="0 0 100 8" preserveAspectRatio="none"><rect className="bar-fill" width={(c.n / most) * 100} height="8" /></svg></td></tr>)}
        </tbody></table>
      ) : <p className="muted">Nothing yet.</p>}
    </section>
  );
}
