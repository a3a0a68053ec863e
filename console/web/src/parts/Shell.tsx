import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Ellipsis, Search } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { lastKnown, useLink } from "../api/feed";
import { useGrants, useMe, useRequests, useSessions, useStatements } from "../api/queries";
import { clock } from "./format";
import { Dialog } from "./Dialog";
import { useKeys } from "./keys";
import { serverNow, setServerTime } from "./now";
import { Palette } from "./Palette";
import { places, placesOf, type Place } from "./places";
import { Away } from "./States";
import { say, Toasts, undoLast } from "./Toasts";

function useCounts(): Record<string, number> {
  const review = useRequests("review");
  const held = useStatements();
  const grants = useGrants("mine", { status: "active" });
  const live = useSessions("all", { status: "live" });
  return {
    "/requests": (review.data?.items?.length ?? 0) + (held.data?.items?.filter((h) => h.may_decide).length ?? 0),
    "/access": grants.data?.items?.length ?? 0,
    "/live": live.data?.items?.length ?? 0,
  };
}

const spoken: Record<string, string> = { "/requests": "to decide", "/access": "active", "/live": "live" };

function Item({ place, n }: { place: Place; n: number | undefined }) {
  const Icon = place.icon;
  return (
    <Link to={place.to} className="rail-item" activeProps={{ "aria-current": "page" }} activeOptions={{ exact: place.to === "/" }} title={place.name}>
      <Icon size={18} aria-hidden className="rail-icon" />
      <span className="rail-name">{place.name}</span>
      {n ? <span className="rail-count num">{n}<span className="sr"> {spoken[place.to]}</span></span> : null}
    </Link>
  );
}

/** Whether the page is told of what changes; never a message for each event. */
function LinkState() {
  const link = useLink();
  return (
    <p className={`link-state ${link}`} role="status">
      <span className="dot" aria-hidden />
      {link === "live" ? "live" : link === "reconnecting" ? "reconnecting" : `offline since ${clock(new Date(lastKnown()))}`}
    </p>
  );
}

/** The keys there are, of the pages that there are for whom they are shown to. */
function sheet(mine: Place[]): [string, string][] {
  const of = (group: Place["group"]): [string, string] => {
    const some = mine.filter((p) => p.group === group && p.key);
    return [`g then ${some.map((p) => p.key).join(" ")}`, some.map((p) => p.name).join(", ")];
  };
  return [
    ["Ctrl K", "search or do"], of(undefined), of("Understand"), of("Configure"),
    ["j, k", "next, previous in a list"], ["Enter", "open it"], ["a", "approve"], ["d", "deny"], ["u", "undo what was just done"], ["x", "cut"], ["/", "filter"], ["?", "this sheet"],
  ];
}

/** Moves the focus to the next thing of a list, or the one before; false: there is none. */
function step(by: 1 | -1): boolean {
  const all = [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  if (!all.length) return false;
  const here = all.findIndex((x) => x === document.activeElement || x.contains(document.activeElement) || x.closest("li")?.contains(document.activeElement));
  const to = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by))];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
  return true;
}

/** Says once, at once, that an access of one's own ends within a minute. */
function useLastMinute(): void {
  const grants = useGrants("mine", { status: "active" });
  const said = useRef(new Set<string>());
  useEffect(() => {
    const look = (): void => {
      for (const g of grants.data?.items ?? []) {
        const left = Date.parse(g.end ?? "") - serverNow();
        if (!(left > 0 && left <= 60_000) || said.current.has(`${g.id} ${g.end}`)) continue;
        said.current.add(`${g.id} ${g.end}`);
        say(`Your access to ${g.resource} ends within a minute.`, { description: "What is open there is cut then.", bad: true });
      }
    };
    look();
    const timer = setInterval(look, 2000);
    return () => clearInterval(timer);
  }, [grants.data]);
}

/** The frame of every page: rail, content, and what is the same everywhere. */
export function Shell() {
  const me = useMe();
  const counts = useCounts();
  const go = useNavigate();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [more, setMore] = useState(false);
  const path = useRouterState({ select: (s) => s.location.pathname });
  const main = useRef<HTMLElement>(null);
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const mine = useMemo(() => placesOf(viewer), [viewer]);
  useLastMinute();

  useEffect(() => { if (me.data) setServerTime(me.data.now); }, [me.data]);
  const began = useRef(path);
  useEffect(() => {
    const place = places.find((p) => (p.to === "/" ? path === "/" : path === p.to || path.startsWith(`${p.to}/`)));
    document.title = `${place?.name ?? (path.startsWith("/touch/") ? "Passkey" : "No such page")} · Curfew`;
    if (began.current !== path) main.current?.focus({ preventScroll: true });
    began.current = path;
  }, [path]);

  const keys = useMemo(() => ({
    "ctrl+k": () => setPalette((p) => !p),
    "?": () => setHelp(true),
    j: () => step(1),
    k: () => step(-1),
    u: undoLast,
    "/": () => document.querySelector<HTMLInputElement>("input[data-filter]")?.focus(),
    ...Object.fromEntries(mine.filter((p) => p.key).map((p) => [`g ${p.key}`, () => void go({ to: p.to })])),
  }), [mine, go]);
  useKeys(keys);

  return (
    <div className="shell">
      <a className="skip" href="#main">To the content</a>
      <nav className="rail" aria-label="Pages">
        <Link to="/" className="brand" aria-label="Curfew, home">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden><circle cx="16" cy="16" r="12" className="brand-ring" /><path d="M16 4a12 12 0 0 1 12 12" className="brand-lamp" /></svg>
          <span className="rail-name">Curfew</span>
        </Link>
        <div className="rail-items">
          {mine.filter((p) => !p.group).map((p) => <Item key={p.to} place={p} n={counts[p.to]} />)}
          {(["Understand", "Configure"] as const).map((g) => (
            <div key={g} role="group" aria-labelledby={`rail-${g}`}>
              <p className="rail-group" id={`rail-${g}`}>{g}</p>
              {mine.filter((p) => p.group === g).map((p) => <Item key={p.to} place={p} n={undefined} />)}
            </div>
          ))}
        </div>
        <div className="rail-foot">
          <button type="button" className="find" onClick={() => setPalette(true)}>
            <Search size={16} aria-hidden className="rail-icon" /><span className="rail-name">Search or do…</span><kbd className="rail-name" aria-hidden>Ctrl K</kbd>
          </button>
          <p className="rail-me rail-name cut-text" title={me.data?.email}>{me.data ? me.data.name : " "}</p>
          <LinkState />
        </div>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        {me.data?.bootstrap && me.data.admin ? (
          <p className="banner">There are not two administrators yet: one person may change everything. <Link to="/people">Invite a second.</Link></p>
        ) : null}
        <Away />
        <Outlet />
      </main>
      <nav className="bar" aria-label="Pages">
        {mine.slice(0, 4).map((p) => {
          const Icon = p.icon;
          return (
            <Link key={p.to} to={p.to} className="bar-item" activeProps={{ "aria-current": "page" }} activeOptions={{ exact: p.to === "/" }}>
              <Icon size={20} aria-hidden /><span>{p.name}</span>
              {counts[p.to] ? <span className="bar-count num">{counts[p.to]}<span className="sr"> {spoken[p.to]}</span></span> : null}
            </Link>
          );
        })}
        <button type="button" className="bar-item" onClick={() => setMore(true)}><Ellipsis size={20} aria-hidden /><span>More</span></button>
      </nav>
      <Dialog open={more} onClose={() => setMore(false)} title="More">
        <div className="more" role="presentation" onClick={() => setMore(false)}>
          {mine.slice(4).map((p) => <Item key={p.to} place={p} n={undefined} />)}
        </div>
        <button type="button" className="button plain" onClick={() => { setMore(false); setPalette(true); }}><span>Search or do…</span></button>
      </Dialog>
      <Palette open={palette} onClose={() => setPalette(false)} />
      <Dialog open={help} onClose={() => setHelp(false)} title="Keys">
        <dl className="sheet">{sheet(mine).map(([k, what]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{what}</dd></div>)}</dl>
        <p className="muted small">Single keys can be switched off in Settings.</p>
      </Dialog>
      <Toasts />
    </div>
  );
}
