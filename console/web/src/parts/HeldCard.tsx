import { useEffect, useRef, useState } from "react";
import { acts, useAct, type Held } from "../api/queries";
import { Button } from "./Button";
import { clock, plain } from "./format";
import { Ago } from "./Fuse";
import { Sure } from "./Sure";
import { say } from "./Toasts";
import { Badge } from "./Who";

/** A statement that waits in its session: all of it, before anybody may let it go on. */
export function HeldCard({ held: h }: { held: Held }) {
  const [doing, setDoing] = useState<"" | "release" | "refuse">("");
  const release = useAct(acts.release);
  const refuse = useAct(acts.refuse);
  const [seen, setSeen] = useState(false);
  return (
    <article className="card">
      <header className="card-head">
        <div>
          <h3 className="card-title">{plain(h.who)} wants to {h.effects?.join(", ") || h.classes?.join(", ")} on {h.resource}</h3>
          <p className="muted">as {h.role} · waits <Ago at={h.asked} />, until {clock(h.lapses)}</p>
        </div>
        {h.open ? <Badge tone="lamp">its transaction is open</Badge> : null}
      </header>
      {h.text ? <Whole text={h.text} onEnd={setSeen} /> : <p className="muted">{h.masked ? "It sets a secret, which is not shown." : "What it says is for whoever sent it and whoever may release it."}</p>}
      {h.text ? <p className="muted tiny">known by <code className="digest">{h.digest.slice(0, 32)}</code></p> : null}
      {h.values?.length ? <p className="small">with {h.values.map((v, i) => <code key={i}>{v.null ? "NULL" : v.binary ? `${v.cut ?? 0} bytes` : plain(v.text ?? "")}{i + 1 < (h.values?.length ?? 0) ? ", " : ""}</code>)}</p> : null}
      {h.may_decide ? (
        <div className="acts">
          <Button kind="main" disabled={!!h.text && !seen} aria-describedby={h.text && !seen ? `unseen-${h.id}` : undefined} onClick={() => setDoing("release")}>Release once…</Button>
          <Button kind="bad" onClick={() => setDoing("refuse")}>Refuse…</Button>
          {h.text && !seen ? <span className="muted small" id={`unseen-${h.id}`}>It is longer than what you see: read it to its end first.</span> : null}
        </div>
      ) : <p className="muted small">{h.why_not}{h.waiting?.length ? ` Waits for ${h.waiting.join(" or ")}.` : ""}</p>}
      <Sure open={doing === "release"} onClose={() => setDoing("")} title="Release this statement, once?" verb="Release" passphrase
        run={({ passphrase }) => release.mutateAsync({ id: h.id, digest: h.digest, passphrase }).then(() => say("It goes on."))}>
        {h.text && h.text.length > 600 ? <p>The statement of {plain(h.who)} that you have read to its end, and nothing else.</p> : <pre className="statement" tabIndex={0} aria-label="The statement">{plain(h.text ?? "")}</pre>}
        <p className="muted small">It is known by <code className="digest">{h.digest.slice(0, 32)}</code></p>
      </Sure>
      <Sure open={doing === "refuse"} onClose={() => setDoing("")} title="Refuse this statement?" verb="Refuse" bad passphrase askWhy
        run={({ why, passphrase }) => refuse.mutateAsync({ id: h.id, why, passphrase }).then(() => say("It is refused."))} />
    </article>
  );
}

/** All of a text. Where it is longer than its box, onEnd is told once its end has been on the screen. */
function Whole({ text, onEnd }: { text: string; onEnd: (seen: boolean) => void }) {
  const box = useRef<HTMLPreElement>(null);
  const seen = useRef("");
  const look = (): void => {
    const b = box.current;
    if (!b || seen.current === text) return;
    const fits = b.scrollHeight <= b.clientHeight + 2;
    if (fits || b.scrollTop + b.clientHeight >= b.scrollHeight - 2) {
      seen.current = text;
      onEnd(true);
    }
  };
  useEffect(() => {
    if (seen.current !== text) onEnd(false);
    look();
    const o = new ResizeObserver(look);
    if (box.current) o.observe(box.current);
    return () => o.disconnect();
  }, [text]);
  return <pre ref={box} className="statement" tabIndex={0} aria-label="The statement" onScroll={look}>{plain(text)}</pre>;
}
