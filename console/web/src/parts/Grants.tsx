import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { acts, useAct, useOffers, type Grant } from "../api/queries";
import { Ask } from "./Ask";
import { Button } from "./Button";
import { Copy } from "./Copy";
import { clock, count } from "./format";
import { Fuse } from "./Fuse";
import { Fault } from "./States";
import { say, unsaid } from "./Toasts";
import { Status } from "./Who";

/** Live grants of one's own: what is left of them, and what can be done. */
export function Grants({ grants }: { grants: Grant[] }) {
  return <ul className="cards">{grants.map((g) => <li key={g.id}><Held grant={g} /></li>)}</ul>;
}

function Held({ grant: g }: { grant: Grant }) {
  const [more, setMore] = useState(false);
  const give = useAct(acts.giveBack);
  const offer = useOffers().data?.items?.find((o) => o.role === g.role && o.resource === g.resource);
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
        {offer ? <Button onClick={() => setMore(true)}>Extend…</Button> : null}
        <Button busy={give.isPending} onClick={() => void give.mutateAsync(g.id).then(() => say(`${g.resource} is given back.`), unsaid)}>Give back</Button>
        <Link to="/live" search={{ grant: g.id }} className="small">sessions</Link>
      </div>
      {give.error ? <Fault error={give.error} inline /> : null}
      <Ask offer={more ? offer : undefined} grant={g} onClose={() => setMore(false)} />
    </article>
  );
}
