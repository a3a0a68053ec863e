import { useRef, useState } from "react";
import { acts, useAct, useWorkflows, type Grant, type Offer } from "../api/queries";
import { Button } from "./Button";
import { Copy } from "./Copy";
import { Dialog } from "./Dialog";
import { brevity, duration, millis, plain } from "./format";
import { Fault } from "./States";
import { say, unsaid } from "./Toasts";

/** What is asked for, what is held of it already, and the words to begin with. */
type Props = { offer: Offer | undefined; grant: Grant | undefined; reason?: string | undefined; onClose: () => void };

/** Asks for an access, or for more time of it; closed while there is no offer. */
export function Ask({ offer, grant, reason, onClose }: Props) {
  const kept = useRef(offer); // what a dialog shows while it goes
  if (offer) kept.current = offer;
  const o = offer ?? kept.current;
  return (
    <Dialog open={!!offer} onClose={onClose} title={o ? (grant ? `More time for ${o.resource}` : `Ask for ${o.role} on ${o.resource}`) : ""}>
      {o ? <Form key={`${o.role}@${o.resource} ${reason ?? ""}`} offer={o} grant={grant} reason={reason} onClose={onClose} /> : null}
    </Dialog>
  );
}

function Form({ offer, grant, reason: before, onClose }: Omit<Props, "offer"> & { offer: Offer }) {
  const workflows = useWorkflows();
  const most = millis(offer.longest);
  const options = ["15m", "45m", ...(offer.usual ? [brevity(offer.usual)] : []), "2h"].filter((o) => millis(o) <= most);
  const [time, setTime] = useState(offer.usual ? brevity(offer.usual) : (options[0] ?? brevity(offer.longest)));
  const [reason, setReason] = useState(before ?? "");
  const [workflow, setWorkflow] = useState(offer.workflow ?? "");
  const ask = useAct(acts.ask);
  const extend = useAct(acts.extend);
  const error = ask.error ?? extend.error;
  const open = workflows.data?.items ?? [];
  return (
    <form className="form" onSubmit={(e) => {
      e.preventDefault();
      const asked = grant ? extend.mutateAsync({ id: grant.id, for: time, reason }) : ask.mutateAsync({ role: offer.role, resource: offer.resource, for: time, reason, workflow: workflow || undefined });
      void asked.then((r) => {
        onClose();
        say(r.status === "approved" ? (grant ? "You have more time." : `You have it: curfew connect ${offer.resource}`) : `Asked. ${r.waiting?.join(" or ") || "Somebody"} can say yes.`);
      }, unsaid);
    }}>
      <p>{sentence(offer.effect)}</p>
      <Times value={time} onChange={setTime} options={[...options, brevity(offer.longest)]} />
      {!grant && open.length ? (
        <label className="field"><span>For</span>
          <select value={workflow} onChange={(e) => setWorkflow(e.target.value)} required={!!offer.workflow}>
            {offer.workflow ? null : <option value="">nothing that is open</option>}
            {open.map((w) => <option key={w.id} value={w.id}>{w.id} {w.title ? plain(w.title) : w.kind}</option>)}
          </select>
        </label>
      ) : null}
      <label className="field"><span>Why</span><textarea data-first rows={3} required maxLength={2000} value={reason} onChange={(e) => setReason(e.target.value)} /></label>
      <p className="muted small">{offer.approvals?.length ? `${offer.approvals.map(plain).join("; ")}. ${grant ? "Until they approve, it ends when it would have." : "Your time starts when they approve."}` : "It begins at once, and ends by itself."}</p>
      {millis(time) > 0 ? <Copy text={grant ? `curfew extend ${offer.resource} --for ${brevity(time)} --reason …` : `curfew request ${offer.role} --on ${offer.resource} --for ${brevity(time)} --reason …`} /> : null}
      {error ? <Fault error={error} inline /> : null}
      <div className="dialog-acts"><Button onClick={onClose}>Back</Button><Button type="submit" kind="main" busy={ask.isPending || extend.isPending}>Ask</Button></div>
    </form>
  );
}

/** What a role lets one do, as a sentence. */
const sentence = (effect: string): string => `${plain(effect.charAt(0).toUpperCase() + effect.slice(1))}.`;

/** A few times to choose from, or another one written down. */
function Times({ value, onChange, options, label = "How long" }: { value: string; onChange: (v: string) => void; options: string[]; label?: string }) {
  return (
    <fieldset className="times">
      <legend>{label}</legend>
      <div className="segments">
        {[...new Set(options)].map((o) => (
          <label key={o} className="segment"><input type="radio" name={label} checked={value === o} onChange={() => onChange(o)} /><span>{duration(o)}</span></label>
        ))}
        <input className="segment-text" aria-label="Another time, for example 45m or 2h" value={value} onChange={(e) => onChange(e.target.value.trim())} size={6} />
      </div>
    </fieldset>
  );
}
