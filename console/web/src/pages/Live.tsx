import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Maximize2 } from "lucide-react";
import { useState } from "react";
import { useGrants, useSessions, type Grant, type Session } from "../api/queries";
import { Button } from "../parts/Button";
import { CutDialog } from "../parts/CutDialog";
import { plain } from "../parts/format";
import { Ago, Fuse } from "../parts/Fuse";
import { Empty, Show } from "../parts/States";
import { useScreen, useTape } from "../parts/stream";
import { Avatar } from "../parts/Who";

/** Sessions that live: who, where, how long still, and what they do. */
export function Live() {
  const search = useSearch({ from: "/live" });
  const go = useNavigate();
  const sessions = useSessions("all", { status: "live", limit: 500 });
  const grants = useGrants("all", { status: "active", limit: 1000 });
  const byID = new Map((grants.data?.items ?? []).map((g) => [g.id, g]));
  const wall = search.wall === "1";
  const waiting = search.grant ? byID.get(search.grant) : undefined;
  return (
    <div className={`page${wall ? " wall" : " wide"}`}>
      <header className="page-head">
        <h1>Live</h1>
        <Button icon={<Maximize2 size={15} aria-hidden />} aria-pressed={wall} onClick={() => void go({ to: "/live", search: { ...search, wall: wall ? undefined : "1" } })}>Wall</Button>
      </header>
      <Show of={sessions}>
        {(s) => {
          const shown = (s.items ?? []).filter((x) => !search.grant || x.grant === search.grant);
          if (search.grant && !shown.length) {
            return <Empty title={waiting ? `${waiting.who} has not connected yet.` : "No session lives under this grant."}>{waiting ? "It opens here as soon as it begins." : <Link to="/live">All that live</Link>}</Empty>;
          }
          return shown.length ? (
            <ul className="tiles">{shown.map((x, i) => <li key={x.id}><Tile session={x} grant={byID.get(x.grant)} peek={i < 12} /></li>)}</ul>
          ) : <Empty title="Nobody is connected, of those you may see." run="curfew connect">A session appears here in the moment it opens.</Empty>;
        }}
      </Show>
    </div>
  );
}

function Tile({ session: s, grant, peek }: { session: Session; grant: Grant | undefined; peek: boolean }) {
  const [cutting, setCutting] = useState(false);
  const [watching, watch] = useState(false);
  return (
    <article className="card tile" aria-label={`${s.who} on ${s.resource}`}>
      <header className="card-head">
        <Avatar name={s.who} small />
        <div className="row-main"><h2 className="card-title cut-text">{plain(s.who)} → {s.resource}</h2><p className="muted cut-text">as {s.role}{s.program ? ` · ${plain(s.program)}` : ""} · <Ago at={s.opened} /></p></div>
      </header>
      {grant?.start && grant.end ? <Fuse start={grant.start} end={grant.end} /> : null}
      {watching ? <Peek session={s.id} /> : peek ? <button type="button" className="peek-off" onClick={() => watch(true)}>Look at what is going on<span className="muted small"> (that you do is recorded)</span></button> : null}
      <div className="acts">
        <Link to="/sessions/$id" params={{ id: s.id }} className="button plain"><span>Watch</span></Link>
        {s.may_cut ? <Button kind="bad" onClick={() => setCutting(true)}>Cut…</Button> : null}
      </div>
      <CutDialog session={s} open={cutting} onClose={() => setCutting(false)} />
    </article>
  );
}

/** The last lines, or the screen, of a session. */
function Peek({ session }: { session: string }) {
  const tape = useTape(session, true);
  const screen = useScreen(session, true);
  if (screen) return <pre className="peek" aria-label="The terminal">{screen.lines?.map((l) => plain(l)).join("\n")}</pre>;
  const last = tape.items.filter((i) => i.kind === "statement" || i.kind === "refused").slice(-4);
  return (
    <pre className="peek" aria-label="The last statements">
      {tape.fault ? tape.fault : last.map((i) => `${i.kind === "refused" ? "✗ " : ""}${plain(i.text ?? "")}`).join("\n") || "nothing yet"}
    </pre>
  );
}
