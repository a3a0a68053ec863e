import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Eye, Maximize2 } from "lucide-react";
import { useMemo, useState } from "react";
import { useGrants, useSessions, type Grant, type Session } from "../api/queries";
import { Button } from "../parts/Button";
import { CutDialog } from "../parts/CutDialog";
import { count, plain } from "../parts/format";
import { Ago, Fuse } from "../parts/Fuse";
import { useKeys } from "../parts/keys";
import { Empty, Show } from "../parts/States";
import { usePeeks, type Peek } from "../parts/stream";
import { Terminal } from "../parts/Terminal";
import { Avatar } from "../parts/Who";

/** The most sessions that are looked at in one stream. */
const atOnce = 24;

/** Asks to cut the session whose tile has the focus, or the only one there is. */
function cutThis(): void {
  const all = [...document.querySelectorAll<HTMLElement>(".tile")];
  const tile = all.find((t) => t.contains(document.activeElement)) ?? (all.length === 1 ? all[0] : undefined);
  tile?.querySelector<HTMLButtonElement>(".button.bad")?.click();
}

/** Sessions that live: who, where, how long still, and what they do. */
export function Live() {
  const search = useSearch({ from: "/live" });
  const go = useNavigate();
  const sessions = useSessions("all", { status: "live", limit: 500 });
  const grants = useGrants("all", { status: "active", limit: 1000 });
  const byID = new Map((grants.data?.items ?? []).map((g) => [g.id, g]));
  const wall = search.wall === "1";
  const [looked, look] = useState<string[]>([]);
  const [every, setEvery] = useState(false); // those that come are looked at too
  const live = (sessions.data?.items ?? []).filter((x) => !search.grant || x.grant === search.grant);
  const ids = new Set(live.map((s) => s.id));
  const peeked = (every ? live.map((s) => s.id) : looked.filter((id) => ids.has(id))).slice(0, atOnce);
  const peeks = usePeeks(peeked);
  const waiting = search.grant ? byID.get(search.grant) : undefined;
  const keys = useMemo(() => ({ x: cutThis }), []);
  useKeys(keys);
  return (
    <div className={`page${wall ? " wall" : " wide"}`}>
      <header className="page-head">
        <h1>Live</h1>
        <div className="acts">
          <Button icon={<Eye size={15} aria-hidden />} aria-pressed={every} disabled={!live.length && !every} onClick={() => setEvery(!every)}>{every ? "Looking at all" : "Look at all"}</Button>
          <Button icon={<Maximize2 size={15} aria-hidden />} aria-pressed={wall} onClick={() => void go({ to: "/live", search: { ...search, wall: wall ? undefined : "1" } })}>Wall</Button>
        </div>
      </header>
      {live.length ? <p className="muted small">{count(live.length, "session")}{every && live.length > atOnce ? `, the first ${atOnce} looked at` : ""}. That you look is recorded, once a session.</p> : null}
      <Show of={sessions}>
        {() => {
          if (search.grant && !live.length) {
            return <Empty title={waiting ? `${plain(waiting.who)} has not connected yet.` : "No session lives under this grant."}>{waiting ? "It opens here as soon as it begins." : <Link to="/live">All that live</Link>}</Empty>;
          }
          return live.length ? (
            <ul className="tiles">{live.map((x) => <li key={x.id}><Tile session={x} grant={byID.get(x.grant)} looked={peeked.includes(x.id)} peek={peeks.get(x.id)} look={() => look((l) => [...l.filter((id) => ids.has(id)), x.id].slice(-atOnce))} /></li>)}</ul>
          ) : <Empty title="Nobody is connected, of those you may see." run="curfew find">A session appears here in the moment it opens. What you can open one on:</Empty>;
        }}
      </Show>
    </div>
  );
}

function Tile({ session: s, grant, looked, peek, look }: { session: Session; grant: Grant | undefined; looked: boolean; peek: Peek | undefined; look: () => void }) {
  const [cutting, setCutting] = useState(false);
  return (
    <article className="card tile" aria-label={`${plain(s.who)} on ${s.resource}`}>
      <header className="card-head">
        <Avatar name={s.who} small />
        <div className="row-main"><h2 className="card-title cut-text">{plain(s.who)} → {s.resource}</h2><p className="muted cut-text">as {s.role}{s.program ? ` · ${plain(s.program)}` : ""} · <Ago at={s.opened} /></p></div>
      </header>
      {grant?.start && grant.end ? <Fuse start={grant.start} end={grant.end} /> : null}
      {looked ? <Newest of={peek} /> : <button type="button" className="peek-off" onClick={look}>Look at what is going on<span className="muted small"> (that you do is recorded)</span></button>}
      <div className="acts">
        <Link data-item to="/sessions/$id" params={{ id: s.id }} className="button plain"><span>Watch</span></Link>
        {s.may_cut ? <Button kind="bad" onClick={() => setCutting(true)}>Cut…</Button> : null}
      </div>
      <CutDialog session={s} open={cutting} onClose={() => setCutting(false)} />
    </article>
  );
}

/** The last statements, or the screen, of a session, and what they came to. */
function Newest({ of: p }: { of: Peek | undefined }) {
  const sums = p ? [p.statements && count(p.statements, "statement"), p.read && `${count(p.read, "row")} read`, p.changed && `${count(p.changed, "row")} changed`, p.refused && `${p.refused} refused`].filter(Boolean) : [];
  if (p?.over) return <p className="muted">It is over, or you may not see it any more.</p>;
  return (
    <>
      {p?.screen ? <Terminal screen={p.screen} label="The terminal" /> : <pre className="peek" tabIndex={0} role="group" aria-label="The last statements">{(p?.lines ?? []).map((l) => plain(l)).join("\n") || "nothing yet"}</pre>}
      {sums.length ? <p className="tile-sums muted small num">{sums.map((x) => <span key={String(x)}>{x}</span>)}</p> : null}
    </>
  );
}
