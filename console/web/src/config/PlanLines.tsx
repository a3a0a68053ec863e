import type { Plan } from "../api/queries";
import { plain } from "../parts/format";

/** What a plan changes, who gains, and what keeps it from being applied. */
export function PlanLines({ plan }: { plan: Plan }) {
  return (
    <>
      {plan.lines?.length ? <pre className="statement" tabIndex={0} aria-label="What changes">{plan.lines.map(plain).join("\n")}</pre> : null}
      {plan.gains?.length ? (
        <>
          <p className="small"><b>What is gained</b>{plan.gainers?.length ? `, by ${plan.gainers.map(plain).join(", ")}` : ""}</p>
          <ul className="checks">{plan.gains.map((g, i) => <li key={i} className="odd">{plain(g)}</li>)}</ul>
          {plan.status === "planned" ? <p className="muted small">{plan.bootstrap ? "There are not two administrators yet, so one person may apply this alone. The ledger says so." : "Somebody gains, so it waits for a second administrator who gains nothing by it."}</p> : null}
        </>
      ) : plan.status === "planned" && plan.lines?.length ? <p className="muted small">Nobody gains anything: it acts at once.</p> : null}
      {plan.new_people?.length ? <p className="small">New people: {plan.new_people.map(plain).join(", ")}</p> : null}
      {plan.tests?.length ? <><p className="small"><b>Tests that fail</b></p><ul className="dangers">{plan.tests.map((t) => <li key={t}>{plain(t)}</li>)}</ul></> : null}
      {plan.problems?.length ? <ul className="checks">{plan.problems.map((p, i) => <li key={i} className={p.warning ? "odd" : "no"}><code>{plain(p.where)}</code> {plain(p.text)}{p.fix ? <span className="muted"> {plain(p.fix)}</span> : null}</li>)}</ul> : null}
    </>
  );
}
