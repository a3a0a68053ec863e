import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { acts, useAct, useMe, usePlans, usePolicies, type Plan } from "../api/queries";
import { PlanLines } from "../config/PlanLines";
import { Changing, EditPage } from "../config/Things";
import { Button } from "../parts/Button";
import { useFilter } from "../parts/filter";
import { Many } from "../parts/Many";
import { clock, plain } from "../parts/format";
import { Empty, Show } from "../parts/States";
import { Sure } from "../parts/Sure";
import { say } from "../parts/Toasts";
import { Badge } from "../parts/Who";

/** The policies read aloud, the plans that wait; for administrators, each as a form and as text. */
export function Policies() {
  const me = useMe();
  const search = useSearch({ from: "/policies" });
  const policies = usePolicies();
  const plans = usePlans(!!me.data?.admin);
  const [q, setQ] = useFilter();
  if (search.name && me.data?.admin) return <EditPage section="policies" name={search.name} title="Policies" />;
  return (
    <div className="page wide">
      <header className="page-head"><h1>Policies</h1></header>
      <Changing section="policies" one="policy" />
      {me.data?.admin && plans.data?.items?.length ? (
        <section aria-labelledby="pol-wait"><h2 id="pol-wait">Waits for a second person</h2><ul className="cards">{plans.data.items.map((p) => <li key={p.id}><Waiting plan={p} /></li>)}</ul></section>
      ) : null}
      <section aria-labelledby="pol-all">
        <h2 id="pol-all">What holds</h2>
        <input className="filter" type="search" data-filter aria-label="Filter policies" placeholder="Name, role or what it says" value={q} onChange={(e) => setQ(e.target.value)} />
        <Show of={policies}>
          {(all) => {
            const items = (all.items ?? []).filter((p) => q.toLowerCase().split(/\s+/).every((w) => `${p.name} ${p.sentence} ${p.roles?.join(" ") ?? ""}`.toLowerCase().includes(w)));
            return items.length ? (
              <Many items={items} className="cards grid" id={(p) => p.name} each={(p) => (
                  <article className="card">
                    <h3 className="card-title">{me.data?.admin ? <Link data-item to="/policies" search={{ name: p.name }}>{plain(p.name)}</Link> : <span data-item tabIndex={-1}>{plain(p.name)}</span>}</h3>
                    <p>{plain(p.sentence)}</p>
                    <p>{p.roles?.map((r) => <Badge key={r}>{r}</Badge>)}</p>
                    {p.origin ? <p className="muted tiny">applied from <code>{plain(p.origin)}</code></p> : null}
                  </article>
              )} />
            ) : <Empty title={q ? "No policy is like that." : "There is no policy: nobody can ask for anything."} {...(q ? {} : { run: "curfew apply" })} />;
          }}
        </Show>
      </section>
    </div>
  );
}

function Waiting({ plan }: { plan: Plan }) {
  const [doing, setDoing] = useState<"" | "agree" | "drop">("");
  const agree = useAct(acts.agree);
  const drop = useAct(acts.drop);
  return (
    <article className="card">
      <p><b>{plan.author ? plain(plan.author) : "Somebody"}</b> <span className="muted">{plan.at ? clock(plan.at) : ""}</span></p>
      <PlanLines plan={plan} />
      <div className="acts">
        {plan.may_agree ? <Button kind="main" onClick={() => setDoing("agree")}>Agree…</Button> : <p className="muted small">You do not agree to this: {plan.why_not ?? "it is for others"}.</p>}
        <Button kind="bad" onClick={() => setDoing("drop")}>Drop…</Button>
      </div>
      <Sure open={doing === "agree"} onClose={() => setDoing("")} title="Agree to this plan?" verb="Agree" passphrase run={({ passphrase }) => agree.mutateAsync({ id: plan.id, passphrase }).then(() => say("It holds now."))}><PlanLines plan={plan} /></Sure>
      <Sure open={doing === "drop"} onClose={() => setDoing("")} title="Drop this plan?" verb="Drop" bad askWhy run={({ why }) => drop.mutateAsync({ id: plan.id, why }).then(() => say("Dropped."))} />
    </article>
  );
}
