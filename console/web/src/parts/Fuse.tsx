import { clock, clockLeft, span } from "./format";
import { useNow } from "./now";

/** What is left of a time, burning down; the words beside it say the same. */
export function Fuse({ start, end, label }: { start: string; end: string; label?: string }) {
  const now = useNow();
  const from = Date.parse(start);
  const to = Date.parse(end);
  const left = Math.max(0, to - now);
  const share = to > from ? Math.min(1, left / (to - from)) : 0;
  const soon = left < 5 * 60_000;
  return (
    <span className={`fuse${soon ? " soon" : ""}`}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden focusable="false">
        <rect className="fuse-rest" width="100" height="6" />
        <rect className="fuse-left" width={share * 100} height="6" />
      </svg>
      <span className="num nowrap">
        {left === 0 ? "over" : left < 10 * 60_000 ? `${clockLeft(left)} left` : `${span(left)} left`}
        {label === "" ? null : <span className="muted">, ends {clock(end)}</span>}
      </span>
    </span>
  );
}

/** How long ago something was. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()} className="num nowrap">
      {span(now - Date.parse(at))}
    </time>
  );
}
