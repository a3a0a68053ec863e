import { memo, useLayoutEffect, useRef } from "react";
import "../design/live.css";
import { plain } from "./format";
import { ink } from "./ink";
import type { Screen } from "./stream";

type Run = NonNullable<NonNullable<NonNullable<Screen["runs"]>[number]>[number]>;

/** What a terminal shows: cells of the gateway's own emulator, in their colours; nothing that acts. */
export function Terminal({ screen, label, full }: { screen: Screen; label: string; full?: boolean }) {
  const rows = Math.max(screen.lines?.length ?? 0, screen.runs?.length ?? 0);
  // Where there is less room than rows, the newest are seen.
  const box = useRef<HTMLPreElement>(null);
  useLayoutEffect(() => { if (box.current) box.current.scrollTop = box.current.scrollHeight; }, [rows]);
  return (
    <pre ref={box} className={`peek terminal${full ? " full" : ""}`} tabIndex={0} role="group" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => <Row key={i} text={screen.lines?.[i] ?? ""} runs={screen.runs?.[i] ?? null} />)}
    </pre>
  );
}

const style = (r: Run): string => [r.bold && "t-bold", r.italic && "t-italic", r.underline && "t-under", r.strike && "t-strike"].filter(Boolean).join(" ");

const same = (a: Run[] | null, b: Run[] | null): boolean =>
  a === b || (!!a && !!b && a.length === b.length && a.every((x, i) => { const y = b[i]!; return x.t === y.t && x.ink === y.ink && x.paper === y.paper && style(x) === style(y) && x.dim === y.dim && x.inverse === y.inverse; }));

const Row = memo(
  function Row({ text, runs }: { text: string; runs: Run[] | null }) {
    if (!runs) return <>{`${plain(text)}\n`}</>;
    return <>{runs.map((r, i) => <span key={i} className={style(r) || undefined} style={ink(r)}>{plain(r.t)}</span>)}{"\n"}</>;
  },
  (a, b) => a.text === b.text && same(a.runs, b.runs),
);
