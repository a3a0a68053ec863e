import { useState } from "react";
import { acts, useAct, useMe, usePlans, usePolicies, type Plan } from "../api/queries";
import { Button } from "../parts/Button";
import { clock, plain } from "../parts/format";
import { Empty, Fault, Show } from "../parts/States";
import { Sure } from "../parts/Sure";
import { say } from "../parts/Toasts";
import { Badge } from "../parts/Who";

/** The policies read aloud, the plans that wait, and a plan of one's own. */
export function Policies() {
  const me = useMe();
  const policies = usePolicies();
  const plans = usePlans(!!me.data?.admin);
  return (
    <div className="page wide">
      <h1>Policies</h1>
      {me.data?.admin && plans.data?.items?.length ? (
        <section aria-labelledby="pol-wait"><h2 id="pol-wait">Waits for a second person</h2><ul className="cards">{plans.data.items.map((p) => <li key={p.id}><Waiting plan={p} /></li>)}</ul></section>
      ) : null}
      <section aria-labelledby="pol-all">
        <h2 id="pol-all">What holds</h2>
        <Show of={policies}>
          {(all) => (all.items?.length ? (
            <ul className="cards grid">
              {all.items.map((p) => (
                <li key={p.name} className="card"><h3 className="card-title">{p.name}</h3><p>{plain(p.sentence)}</p><p>{p.roles?.map((r) => <Badge key={r}>{r}</Badge>)}</p></li>
              ))}
            </ul>
          ) : <Empty title="There is no policy: nobody can ask for anything." run="curfew apply" />)}
        </Show>
      </section>
      {me.data?.admin ? <Propose /> : null}
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
      <Lines plan={plan} />
      <div className="acts">
        {plan.may_agree ? <Button kind="main" onClick={() => setDoing("agree")}>Agree…</Button> : <p className="muted small">{plan.why_not}</p>}
        <Button kind="bad" onClick={() => setDoing("drop")}>Drop…</Button>
      </div>
      <Sure open={doing === "agree"} onClose={() => setDoing("")} title="Agree to this plan?" verb="Agree" passphrase run={({ passphrase }) => agree.mutateAsync({ id: plan.id, passphrase }).then(() => say("It holds now."))}><Lines plan={plan} /></Sure>
      <Sure open={doing === "drop"} onClose={() => setDoing("")} title="Drop this plan?" verb="Drop" bad askWhy run={({ why }) => drop.mutateAsync({ id: plan.id, why }).then(() => say("Dropped."))} />
    </article>
  );
}

function Lines({ plan }: { plan: Plan }) {
  return (
    <>
      {plan.lines?.length ? <pre className="statement" tabIndex={0} aria-label="What changes">{plan.lines.map(plain).join("\n")}</pre> : null}
      {plan.gains?.length ? <><p className="small"><b>Who gains</b></p><ul className="checks">{plan.gains.map((g, i) => <li key={i} className="odd">{plain(g)}</li>)}</ul></> : plan.status === "planned" ? <p className="muted small">Nobody gains anything by it: it acts at once.</p> : null}
      {plan.new_people?.length ? <p className="small">New people: {plan.new_people.map(plain).join(", ")}</p> : null}
      {plan.tests?.length ? <><p className="small"><b>Tests that fail</b></p><ul className="dangers">{plan.tests.map((t) => <li key={t}>{plain(t)}</li>)}</ul></> : null}
      {plan.problems?.length ? <ul className="dangers">{plan.problems.map((p, i) => <li key={i}><code>{p.where}</code> {plain(p.text)}{p.fix ? <span className="muted"> {plain(p.fix)}</span> : null}</li>)}</ul> : null}
    </>
  );
}

/** Configuration as text: planned before it is applied, with its sentence and its tests. */
function Propose() {
  const [text, setText] = useState("");
  const [sure, setSure] = useState(false);
  const plan = useAct(acts.plan);
  const apply = useAct(acts.apply);
  const files = [{ name: "console.yaml", text }];
  const p = plan.data;
  const clean = p && !p.problems?.some((x) => !x.warning) && !p.tests?.length && p.status !== "empty";
  return (
    <section aria-labelledby="pol-new">
      <h2 id="pol-new">Change the configuration</h2>
      <p className="muted small">The whole configuration, as in curfew.yaml: what is not in it is removed. It is planned first; what anybody gains waits for a second administrator.</p>
      <div className="two">
        <textarea className="editor mono" rows={18} spellCheck={false} aria-label="Configuration, YAML" placeholder={"curfew: v1\n\ngroups:\n  payments: [alice@acme.io]\n"} value={text} onChange={(e) => { setText(e.target.value); plan.reset(); }} />
        <div className="card" aria-live="polite">
          {plan.error ? <Fault error={plan.error} inline /> : p ? (p.status === "empty" ? <p className="muted">It changes nothing.</p> : <Lines plan={p} />) : <p className="muted">What it would change is said here.</p>}
          <div className="acts">
            <Button busy={plan.isPending} disabled={!text.trim()} onClick={() => plan.mutate(files)}>Plan</Button>
            <Button kind="main" disabled={!clean} onClick={() => setSure(true)}>Apply…</Button>
          </div>
        </div>
      </div>
      <Sure open={sure} onClose={() => setSure(false)} title="Apply this plan?" verb="Apply" passphrase
        run={({ passphrase }) => apply.mutateAsync({ files, plan: p?.id, passphrase }).then((r) => { say(r.status === "waiting" ? "It waits for a second administrator." : "It holds now."); plan.reset(); })}>
        {p ? <Lines plan={p} /> : null}
      </Sure>
    </section>
  );
}
