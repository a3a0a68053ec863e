import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { older, useMe, useRequest, useRequestPages, useStatements, type Request } from "../api/queries";
import { duration, plain } from "../parts/format";
import { Ago } from "../parts/Fuse";
import { HeldCard } from "../parts/HeldCard";
import { useKeys } from "../parts/keys";
import { RequestCard, Risk } from "../parts/RequestCard";
import { Empty, Fault, Loading } from "../parts/States";
import { Status } from "../parts/Who";
import { useWidth } from "../parts/width";

const tabs = [
  { id: "review", name: "To review" },
  { id: "mine", name: "Mine" },
  { id: "all", name: "All", viewers: true },
] as const;

/**
 * The request whose card is there before one is chosen: the first when the page came to the list.
 * It stays while others come and when it is decided: nobody decides another one than they read.
 */
function unasked(kept: { current: { tab: string; id: string } }, tab: string, items: Request[]): string {
  if (kept.current.tab !== tab || !kept.current.id) kept.current = { tab, id: items[0]?.id ?? "" };
  return kept.current.id;
}

/** Requests: the list, and the card of one. */
export function Requests() {
  const me = useMe();
  const viewer = !!(me.data?.admin || me.data?.auditor);
  const search = useSearch({ from: "/requests" });
  const go = useNavigate();
  const tab = search.tab === "mine" || (search.tab === "all" && viewer) ? search.tab : "review";
  const list = useRequestPages(tab, tab !== "all" || viewer);
  const review = useRequestPages("review");
  const held = useStatements();
  const items = useMemo(() => list.data?.pages.flatMap((p) => p.items ?? []) ?? [], [list.data]);
  const releases = tab === "review" ? (held.data?.items?.filter((h) => h.may_decide) ?? []) : [];
  const waiting = (review.data?.pages[0]?.items?.length ?? 0) + (held.data?.items?.filter((h) => h.may_decide).length ?? 0);
  const kept = useRef({ tab, id: "" });
  const first = unasked(kept, tab, list.isPlaceholderData ? [] : items);
  const wide = useWidth() > 900; // list and card side by side
  const shown = search.id ?? ((wide && first) || undefined);
  const index = items.findIndex((r) => r.id === shown);
  const select = (id: string | undefined): void => void go({ to: "/requests", search: { tab: search.tab, id }, replace: !!search.id });

  const keys = useMemo(() => ({
    j: () => select(items[Math.min(index + 1, items.length - 1)]?.id),
    k: () => select(items[Math.max(index - 1, 0)]?.id),
  }), [items, index, search.tab]);
  useKeys(keys);

  return (
    <div className={`split${search.id ? " has-detail" : ""}`}>
      <section className="split-list" aria-label="Requests">
        <header className="list-head">
          <h1>Requests</h1>
          <nav className="tabs" aria-label="Which requests">
            {tabs.filter((t) => viewer || !("viewers" in t)).map((t) => (
              <Link key={t.id} to="/requests" search={{ tab: t.id }} className="tab" aria-current={t.id === tab ? "page" : undefined}>
                {t.name}{t.id === "review" && waiting ? ` ${waiting}` : ""}
              </Link>
            ))}
          </nav>
        </header>
        {list.error && !list.data ? <Fault error={list.error} retry={() => list.refetch()} /> : null}
        {list.isPending && !list.error ? <Loading /> : null}
        {releases.length ? <ul className="cards pad">{releases.map((h) => <li key={h.id}><HeldCard held={h} /></li>)}</ul> : null}
        {list.data && items.length === 0 && releases.length === 0 ? (
          tab === "review" ? <Empty title="Nothing waits for your answer.">You are told here, at once, when it does.</Empty>
            : tab === "mine" ? <Empty title="You have not asked for anything yet." run="curfew find" />
              : <Empty title="Nobody has asked for anything yet." />
        ) : null}
        {items.length ? <Rows items={items} shown={shown} onNear={() => { if (list.hasNextPage && !list.isFetchingNextPage) void older(list); }} tab={search.tab} /> : null}
      </section>
      <section className="split-detail" aria-label="The request">
        {shown ? <Detail key={shown} id={shown} act={search.do} known={items.find((r) => r.id === shown)} /> : <Empty title="No request is open." />}
      </section>
    </div>
  );
}

/** So near to its beginning, a list is read from its beginning, in pixels. */
const atTop = 60;

/** Only the rows on the screen exist: ten thousand are no heavier than ten. */
function Rows({ items, shown, onNear, tab }: { items: Request[]; shown: string | undefined; onNear: () => void; tab: string | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: items.length, getScrollElement: () => box.current, estimateSize: () => 90, overscan: 8 });
  const visible = rows.getVirtualItems();
  const last = visible[visible.length - 1]?.index ?? 0;
  useEffect(() => { if (last > items.length - 20) onNear(); }, [last, items.length]);
  const at = items.findIndex((r) => r.id === shown);
  useEffect(() => { if (at >= 0) rows.scrollToIndex(at, { align: "auto" }); }, [shown, at >= 0]);
  // What comes in above, while somebody reads further down, moves nothing: it is counted.
  const [above, setAbove] = useState(0);
  const top = useRef(items[0]?.id);
  useLayoutEffect(() => {
    const b = box.current;
    const n = items.findIndex((r) => r.id === top.current);
    top.current = items[0]?.id;
    if (n <= 0 || !b || b.scrollTop < atTop) return;
    b.scrollTop += n * (rows.getTotalSize() / items.length);
    setAbove((a) => a + n);
  }, [items]);
  return (
    <div ref={box} className="virtual" tabIndex={-1} onScroll={(e) => { if (e.currentTarget.scrollTop < atTop) setAbove(0); }}>
      <p className="above" role="status">{above ? <button type="button" className="chip" onClick={() => box.current?.scrollTo({ top: 0 })}>{above} new</button> : null}</p>
      <div className="virtual-space" ref={(n) => { if (n) n.style.height = `${rows.getTotalSize()}px`; }} role="list">
        {visible.map((v) => {
          const r = items[v.index]!;
          return (
            <div key={r.id} role="listitem" aria-setsize={items.length} aria-posinset={v.index + 1} className="virtual-row" data-index={v.index}
              ref={(n) => { if (n) { n.style.transform = `translateY(${v.start}px)`; rows.measureElement(n); } }}>
              <Link to="/requests" search={{ tab, id: r.id }} className="request-row" aria-current={r.id === shown ? "true" : undefined}>
                <span className="request-who cut-text">{plain(r.who)}</span>
                <span className="muted"><Ago at={r.asked} /></span>
                <span className="cut-text">{r.resource}, {r.role}</span>
                {r.status === "pending" ? (r.risk ? <Risk of={r.risk} /> : r.dangers?.length ? <span className="badge bad">dangerous</span> : <span className="muted">{duration(r.for)}</span>) : <Status of={r.status} />}
                <span className="muted cut-text request-reason"><bdi>{plain(r.reason)}</bdi></span>
              </Link>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Detail({ id, act, known }: { id: string; act: string | undefined; known: Request | undefined }) {
  const request = useRequest(id);
  const r = request.data ?? known;
  if (r) return <RequestCard request={r} act={act} />;
  return request.error ? <Fault error={request.error} retry={() => request.refetch()} /> : <Loading />;
}
