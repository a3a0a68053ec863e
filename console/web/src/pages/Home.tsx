import { Link } from "@tanstack/react-router";
import { useGrants, useMe, useRequests, useSessions, useStatements } from "../api/queries";
import { Grants } from "../parts/Grants";
import { count, duration, plain } from "../parts/format";
import { Ago } from "../parts/Fuse";
import { useNow } from "../parts/now";
import { Empty, Show } from "../parts/States";
import { Avatar } from "../parts/Who";
import { HeldCard } from "../parts/HeldCard";

/** What needs you, what is yours, what is going on. */
export function Home() {
  const me = useMe();
  const review = useRequests("review");
  const held = useStatements();
  const grants = useGrants("mine", { status: "active" });
  const live = useSessions("all", { status: "live" });
  const mine = useRequests("mine", { status: "pending" });
  const toRelease = held.data?.items?.filter((h) => h.may_decide) ?? [];
  return (
    <div className="page">
      <h1>Good {part(useNow())}{me.data ? `, ${me.data.name.split(" ")[0]}` : ""}</h1>
      <section aria-labelledby="home-needs">
        <h2 id="home-needs">Needs you</h2>
        <Show of={review} lines={2}>
          {(r) => (r.items?.length || toRelease.length ? (
            <ul className="rows">
              {r.items?.slice(0, 20).map((x) => (
                <li key={x.id}>
                  <Link data-item to="/requests" search={{ id: x.id }} className="row">
                    <Avatar name={x.who} small />
                    <span className="row-main"><b>{plain(x.who)}</b> asks for {x.role} on {x.resource} for {duration(x.for)}<br /><span className="muted cut-text">{plain(x.reason)}</span></span>
                    <Ago at={x.asked} />
                  </Link>
                </li>
              ))}
              {(r.items?.length ?? 0) > 20 ? <li><Link to="/requests" search={{}} className="row">{count(r.items!.length - 20, "more request")}</Link></li> : null}
              {toRelease.map((h) => <li key={h.id}><HeldCard held={h} /></li>)}
            </ul>
          ) : <p className="muted">Nothing waits for your answer.</p>)}
        </Show>
      </section>
      <section aria-labelledby="home-yours">
        <h2 id="home-yours">Yours</h2>
        <Show of={grants} lines={2}>
          {(g) => (g.items?.length || mine.data?.items?.length ? (
            <>
              <Grants grants={g.items ?? []} />
              {mine.data?.items?.length ? (
                <ul className="rows">
                  {mine.data.items.map((x) => (
                    <li key={x.id}><Link data-item to="/requests" search={{ tab: "mine", id: x.id }} className="row">
                      <span className="row-main">{x.role} on {x.resource} waits for {x.waiting?.join(" or ") || "an answer"}</span><Ago at={x.asked} />
                    </Link></li>
                  ))}
                </ul>
              ) : null}
            </>
          ) : <Empty title="You have no access right now." run="curfew find">It is asked for when it is needed: <Link to="/access">what you can ask for</Link></Empty>)}
        </Show>
      </section>
      <section aria-labelledby="home-now">
        <h2 id="home-now">Now</h2>
        <Show of={live} lines={2}>
          {(s) => (s.items?.length ? (
            <ul className="rows">
              {s.items.slice(0, 8).map((x) => (
                <li key={x.id}><Link data-item to="/sessions/$id" params={{ id: x.id }} className="row">
                  <Avatar name={x.who} small />
                  <span className="row-main"><b>{plain(x.who)}</b> on {x.resource} as {x.role}</span><Ago at={x.opened} />
                </Link></li>
              ))}
              {s.items.length > 8 ? <li><Link to="/live">{count(s.items.length - 8, "more session")}</Link></li> : null}
            </ul>
          ) : <p className="muted">Nobody is connected, of those you may see.</p>)}
        </Show>
      </section>
      <Since />
    </div>
  );
}

function part(now: number): string {
  const h = new Date(now).getHours();
  return h < 5 ? "night" : h < 12 ? "morning" : h < 18 ? "afternoon" : "evening";
}

/** The last day in three sentences. */
function Since() {
  const now = useNow();
  const sessions = useSessions("all", { limit: 500 });
  const grants = useGrants("all", { limit: 500 });
  const day = now - 86_400_000;
  if (!sessions.data || !grants.data) return null;
  const opened = (sessions.data.items ?? []).filter((s) => Date.parse(s.opened) > day);
  const given = (grants.data.items ?? []).filter((g) => Date.parse(g.approved) > day);
  const cut = opened.filter((s) => s.cause && !["closed", "client"].includes(s.cause));
  const refused = opened.reduce((n, s) => n + s.refused, 0);
  return (
    <section aria-labelledby="home-since">
      <h2 id="home-since">Since yesterday</h2>
      <p>{count(given.length, "grant")} given{given.length ? ` to ${count(new Set(given.map((g) => g.principal)).size, "person", "people")}` : ""}. {count(opened.length, "session")} opened, {count(cut.length, "session")} of them ended by Curfew. {refused ? `${count(refused, "statement")} refused.` : "Nothing was refused inside a session."}</p>
    </section>
  );
}
