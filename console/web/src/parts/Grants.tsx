import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { acts, useAct, type Grant } from "../api/queries";
import { Button } from "./Button";
import { Copy } from "./Copy";
import { Dialog } from "./Dialog";
import { clock, count, duration } from "./format";
import { Fuse } from "./Fuse";
import { Fault } from "./States";
import { say } from "./Toasts";
import { Status } from "./Who";

/** Live grants of one's own: what is left of them, and what can be done. */
export function Grants({ grants }: { grants: Grant[] }) {
  return <ul className="cards">{grants.map((g) => <li key={g.id}><Held grant={g} /></li>)}</ul>;
}

function Held({ grant: g }: { grant: Grant }) {
  const [more, setMore] = useState(false);
  const give = useAct(acts.giveBack);
  return (
    <article className="card">
      <header className="card-head">
        <div>
          <h3 className="card-title">{g.resource}</h3>
          <p className="muted">{g.role}{g.workflow ? ` · ${g.workflow}` : ""}{g.sessions ? ` · ${count(g.sessions, "session")}` : ""}</p>
        </div>
        {g.status !== "active" ? <Status of={g.status} /> : null}
      </header>
      {g.status === "active" && g.end && g.start ? <Fuse start={g.start} end={g.end} /> : <p className="muted">{g.start ? `starts ${clock(g.start)}` : g.use_by ? `use it until ${clock(g.use_by)}` : ""}</p>}
      {g.trouble ? <p className="badge bad">{g.trouble}</p> : null}
      <Copy text={`curfew connect ${g.resource}`} />
      <div className="acts">
        <Button onClick={() => setMore(true)}>Extend…</Button>
        <Button busy={give.isPending} onClick={() => give.mutate(g.id, { onSuccess: () => say(`${g.resource} is given back.`) })}>Give back</Button>
        <Link to="/live" search={{ grant: g.id }} className="small">sessions</Link>
      </div>
      {give.error ? <Fault error={give.error} inline /> : null}
      <Extend grant={g} open={more} onClose={() => setMore(false)} />
    </article>
  );
}

function Extend({ grant, open, onClose }: { grant: Grant; open: boolean; onClose: () => void }) {
  const [time, setTime] = useState("15m");
  const [reason, setReason] = useState("");
  const extend = useAct(acts.extend);
  return (
    <Dialog open={open} onClose={onClose} title={`More time for ${grant.resource}`}>
      <form className="form" onSubmit={(e) => {
        e.preventDefault();
        extend.mutate({ id: grant.id, for: time, reason }, {
          onSuccess: (r) => {
            onClose();
            say(r.status === "approved" ? "You have more time." : `Asked. ${r.waiting?.join(" or ") ?? "Somebody"} can say yes.`);
          },
        });
      }}>
        <Times value={time} onChange={setTime} options={["15m", "30m", "1h"]} />
        <label className="field"><span>Why</span><textarea rows={2} required maxLength={2000} value={reason} onChange={(e) => setReason(e.target.value)} /></label>
        <p className="muted small">Asking for more is a request like any other; with what you had it is never longer than the role allows.</p>
        {extend.error ? <Fault error={extend.error} inline /> : null}
        <div className="dialog-acts"><Button onClick={onClose}>Back</Button><Button type="submit" kind="main" busy={extend.isPending}>Ask</Button></div>
      </form>
    </Dialog>
  );
}

/** A few times to choose from, or another one written down. */
export function Times({ value, onChange, options, label = "How long" }: { value: string; onChange: (v: string) => void; options: string[]; label?: string }) {
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
