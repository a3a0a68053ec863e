import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { acts, useAct, useGrants, useOffers, useRequests, type Offer } from "../api/queries";
import { Ask } from "../parts/Ask";
import { Button } from "../parts/Button";
import { clock, duration, plain } from "../parts/format";
import { useFilter } from "../parts/filter";
import { Grants } from "../parts/Grants";
import { Many } from "../parts/Many";
import { Empty, Show } from "../parts/States";
import { failed, say } from "../parts/Toasts";
import { Status } from "../parts/Who";

/** What I have, what I can ask for, what I had. */
export function Access() {
  const search = useSearch({ from: "/access" });
  const go = useNavigate();
  const grants = useGrants("mine", { status: "active" });
  const scheduled = useGrants("mine", { status: "scheduled" });
  const waiting = useRequests("mine", { status: "pending" });
  const offers = useOffers();
  const past = useGrants("mine", { limit: 50 });
  const lapsed = useRequests("mine", { limit: 50 });
  const [q, setQ] = useFilter();
  const shown = useMemo(
    () => (offers.data?.items ?? []).filter((o) => q.toLowerCase().split(/\s+/).every((w) => `${o.role} ${o.resource} ${o.about ?? ""} ${o.effect}`.toLowerCase().includes(w))),
    [offers.data, q],
  );
  const asking = offers.data?.items?.find((o) => `${o.role}@${o.resource}` === search.ask);
  const live = [...(grants.data?.items ?? []), ...(scheduled.data?.items ?? [])];
  const before = lapsed.data?.items?.find((r) => r.id === search.from); // whose words one need not write again
  const ask = (o: Offer | undefined, from?: string): void => void go({ to: "/access", search: { q: search.q, ask: o ? `${o.role}@${o.resource}` : undefined, from }, replace: !o });
  return (
    <div className="page">
      <h1>My access</h1>
      <section aria-labelledby="acc-now">
        <h2 id="acc-now">What you have</h2>
        <Show of={grants} lines={2}>{() => (live.length ? <Grants grants={live} /> : <p className="muted">Nothing now. Everything below can be asked for.</p>)}</Show>
        {waiting.data?.items?.length ? (
          <ul className="rows">
            {waiting.data.items.map((r) => <li key={r.id} className="row"><span className="row-main">{r.role} on {r.resource}, {duration(r.for)}: waits for {r.waiting?.map(plain).join(" or ")}; lapses {clock(r.lapses)}</span><Withdraw id={r.id} /></li>)}
          </ul>
        ) : null}
      </section>
      <section aria-labelledby="acc-ask">
        <h2 id="acc-ask">What you can ask for</h2>
        {search.ask && offers.data && !asking ? <p className="muted" role="status">{plain(search.ask.replace("@", " on "))} is not among what you can ask for now.</p> : null}
        <input className="filter" type="search" data-filter placeholder="Search by name, resource or what it lets you do" aria-label="Search what you can ask for" value={q}
          onChange={(e) => setQ(e.target.value)} />
        <Show of={offers}>
          {(all) => (shown.length ? (
            <Many items={shown} className="offers" id={(o) => `${o.role}@${o.resource}`} each={(o) => (
                <div className="offer">
                  <div className="offer-main">
                    <p><b>{o.resource}</b> <code>{o.role}</code></p>
                    <p className="muted">{plain(o.about || o.effect)}</p>
                    <p className="small">{o.approvals?.length ? o.approvals.map(plain).join("; ") : o.workflow ? `no approval while ${o.workflow} is open` : "no approval needed"} · up to {duration(o.longest)}</p>
                  </div>
                  <Button data-item onClick={() => ask(o)}>{o.grant ? "Extend…" : "Ask…"}</Button>
                </div>
            )} />
          ) : all.items?.length ? <Empty title={`Nothing you can ask for matches “${q}”.`} run="curfew find">All that you can ask for:</Empty>
            : <Empty title="No policy lets you ask for anything now." run="curfew can">A window may be shut, or a workflow not open. What you can reach, and how:</Empty>)}
        </Show>
      </section>
      <section aria-labelledby="acc-past">
        <h2 id="acc-past">What you had</h2>
        <Show of={past}>
          {(p) => {
            const ended = (p.items ?? []).filter((g) => g.status === "ended" || g.status === "verified");
            const unanswered = (lapsed.data?.items ?? []).filter((r) => r.status === "lapsed" || r.status === "denied");
            if (!ended.length && !unanswered.length) return <p className="muted">Nothing yet.</p>;
            const again = (role: string, resource: string, from: string): (() => void) | undefined => {
              const o = offers.data?.items?.find((x) => x.role === role && x.resource === resource);
              return o ? () => ask(o, from) : undefined;
            };
            return (
              <ul className="rows">
                {unanswered.map((r) => <li key={r.id} className="row"><Status of={r.status} /><span className="row-main">{r.role} on {r.resource}{r.answer ? <>: <bdi>“{plain(r.answer)}”</bdi></> : null}</span><span className="muted nowrap">{clock(r.asked)}</span><Again run={again(r.role, r.resource, r.id)} /></li>)}
                {ended.map((g) => <li key={g.id} className="row"><span className="row-main">{g.role} on {g.resource}<br /><span className="muted">{g.receipt || g.cause_text}</span></span><span className="muted nowrap">{clock(g.ended_at)}</span><Again run={again(g.role, g.resource, g.request)} /></li>)}
              </ul>
            );
          }}
        </Show>
      </section>
      <Ask offer={asking} grant={live.find((g) => g.id === asking?.grant)} reason={before?.reason} onClose={() => ask(undefined)} />
    </div>
  );
}

function Again({ run }: { run: (() => void) | undefined }) {
  return run ? <Button onClick={run}>Ask again</Button> : null;
}

function Withdraw({ id }: { id: string }) {
  const act = useAct(acts.withdraw);
  return <Button busy={act.isPending} onClick={() => void act.mutateAsync(id).then(() => say("Withdrawn."), failed("It could not be withdrawn."))}>Withdraw</Button>;
}
