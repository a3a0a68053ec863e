import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { acts, useAct, useGrants, useOffers, useRequests, useWorkflows, type Grant, type Offer } from "../api/queries";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { clock, duration, millis, plain } from "../parts/format";
import { Grants, Times } from "../parts/Grants";
import { Many } from "../parts/Many";
import { Empty, Fault, Show } from "../parts/States";
import { say } from "../parts/Toasts";
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
  const q = search.q ?? "";
  const shown = useMemo(
    () => (offers.data?.items ?? []).filter((o) => q.toLowerCase().split(/\s+/).every((w) => `${o.role} ${o.resource} ${o.about ?? ""} ${o.effect}`.toLowerCase().includes(w))),
    [offers.data, q],
  );
  const asking = offers.data?.items?.find((o) => `${o.role}@${o.resource}` === search.ask);
  const live = [...(grants.data?.items ?? []), ...(scheduled.data?.items ?? [])];
  const ask = (o: Offer | undefined): void => void go({ to: "/access", search: { q: search.q, ask: o ? `${o.role}@${o.resource}` : undefined }, replace: true });
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
        <input className="filter" type="search" data-filter placeholder="Search by name, resource or what it lets you do" aria-label="Search what you can ask for" value={q}
          onChange={(e) => void go({ to: "/access", search: { q: e.target.value || undefined, ask: search.ask }, replace: true })} />
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
          ) : all.items?.length ? <Empty title={`Nothing you can ask for matches “${q}”.`} run={`curfew why ${q || "ROLE"}`}>Why something is not here:</Empty>
            : <Empty title="No policy lets you ask for anything now." run="curfew why">A window may be shut, or a workflow not open. Why not:</Empty>)}
        </Show>
      </section>
      <section aria-labelledby="acc-past">
        <h2 id="acc-past">What you had</h2>
        <Show of={past}>
          {(p) => {
            const ended = (p.items ?? []).filter((g) => g.status === "ended" || g.status === "verified");
            const unanswered = (lapsed.data?.items ?? []).filter((r) => r.status === "lapsed" || r.status === "denied");
            if (!ended.length && !unanswered.length) return <p className="muted">Nothing yet.</p>;
            const again = (role: string, resource: string): (() => void) | undefined => {
              const o = offers.data?.items?.find((x) => x.role === role && x.resource === resource);
              return o ? () => ask(o) : undefined;
            };
            return (
              <ul className="rows">
                {unanswered.map((r) => <li key={r.id} className="row"><Status of={r.status} /><span className="row-main">{r.role} on {r.resource}{r.answer ? <>: <bdi>“{plain(r.answer)}”</bdi></> : null}</span><span className="muted nowrap">{clock(r.asked)}</span><Again run={again(r.role, r.resource)} /></li>)}
                {ended.map((g) => <li key={g.id} className="row"><span className="row-main">{g.role} on {g.resource}<br /><span className="muted">{g.receipt || g.cause_text}</span></span><span className="muted nowrap">{clock(g.ended_at)}</span><Again run={again(g.role, g.resource)} /></li>)}
              </ul>
            );
          }}
        </Show>
      </section>
      {asking ? <Ask key={search.ask} offer={asking} grant={live.find((g) => g.id === asking.grant)} onClose={() => ask(undefined)} /> : null}
    </div>
  );
}

function Again({ run }: { run: (() => void) | undefined }) {
  return run ? <Button onClick={run}>Ask again</Button> : null;
}

function Withdraw({ id }: { id: string }) {
  const act = useAct(acts.withdraw);
  return <Button busy={act.isPending} onClick={() => act.mutate(id, { onSuccess: () => say("Withdrawn.") })}>Withdraw</Button>;
}

function Ask({ offer, grant, onClose }: { offer: Offer; grant: Grant | undefined; onClose: () => void }) {
  const workflows = useWorkflows();
  const most = millis(offer.longest);
  const options = ["15m0s", "45m0s", ...(offer.usual ? [offer.usual] : []), "2h0m0s"].filter((o) => millis(o) <= most);
  const [time, setTime] = useState(offer.usual ?? options[0] ?? offer.longest);
  const [reason, setReason] = useState("");
  const [workflow, setWorkflow] = useState(offer.workflow ?? "");
  const ask = useAct(acts.ask);
  const extend = useAct(acts.extend);
  const error = ask.error ?? extend.error;
  const open = workflows.data?.items ?? [];
  return (
    <Dialog open onClose={onClose} title={grant ? `More time for ${offer.resource}` : `Ask for ${offer.role} on ${offer.resource}`}>
      <form className="form" onSubmit={(e) => {
        e.preventDefault();
        const done = { onSuccess: (r: { status: string; waiting?: string[] | null }) => {
          onClose();
          say(r.status === "approved" ? `You have it: curfew connect ${offer.resource}` : `Asked. ${r.waiting?.join(" or ") || "Somebody"} can say yes.`);
        } };
        if (grant) extend.mutate({ id: grant.id, for: time, reason }, done);
        else ask.mutate({ role: offer.role, resource: offer.resource, for: time, reason, workflow: workflow || undefined }, done);
      }}>
        <p>{plain(offer.effect)}.</p>
        <Times value={time} onChange={setTime} options={[...options, offer.longest]} />
        {!grant && open.length ? (
          <label className="field"><span>For</span>
            <select value={workflow} onChange={(e) => setWorkflow(e.target.value)} required={!!offer.workflow}>
              {offer.workflow ? null : <option value="">nothing that is open</option>}
              {open.map((w) => <option key={w.id} value={w.id}>{w.id} {w.title ? plain(w.title) : w.kind}</option>)}
            </select>
          </label>
        ) : null}
        <label className="field"><span>Why</span><textarea rows={3} required maxLength={2000} autoFocus value={reason} onChange={(e) => setReason(e.target.value)} /></label>
        <p className="muted small">{offer.approvals?.length ? `${offer.approvals.map(plain).join("; ")}. Your time starts when they approve.` : "It begins at once, and ends by itself."}</p>
        <Copy text={`curfew request ${offer.role} --on ${offer.resource} --for ${duration(time).replace(" min", "m").replace(" h", "h").replace(" ", "")} --reason …`} />
        {error ? <Fault error={error} inline /> : null}
        <div className="dialog-acts"><Button onClick={onClose}>Back</Button><Button type="submit" kind="main" busy={ask.isPending || extend.isPending}>Ask</Button></div>
      </form>
    </Dialog>
  );
}
