import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { anew } from "../api/anew";
import type { Plan } from "../api/queries";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { count } from "../parts/format";
import { Fault } from "../parts/States";
import { Sure } from "../parts/Sure";
import { say } from "../parts/Toasts";
import { applyOf, discard, planOf, type Draft } from "./draft";
import { PlanLines } from "./PlanLines";

const differing = (d: Draft): number => {
  let n = 0;
  d.files.forEach((f, i) => {
    const a = (d.from.files?.[i]?.text ?? "").split("\n");
    const b = f.text.split("\n");
    let head = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    let tail = 0;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    n += Math.max(a.length, b.length) - head - tail;
  });
  return n;
};

/** What is written and not applied: its plan, which is looked at before it is applied. */
export function Pending({ draft, dirty, stale, blocked }: { draft: Draft; dirty: boolean; stale: boolean; blocked?: boolean }) {
  const client = useQueryClient();
  const [plan, setPlan] = useState<{ plan: Plan; of: Draft } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [throwing, setThrowing] = useState(false);
  if (!dirty) return null;
  const look = (): void => {
    setBusy(true);
    setError(null);
    planOf(draft).then((p) => setPlan({ plan: p, of: draft }), setError).finally(() => setBusy(false));
  };
  const done = (): void => setPlan(null);
  const p = plan?.plan;
  const ready = !!p && !p.problems?.some((x) => !x.warning) && !p.tests?.length;
  const words = p?.status === "empty" && !p.new_people?.length;
  return (
    <div className="pending" role="region" aria-label="Changes that are not applied">
      <p><b>{count(differing(draft), "line")} changed</b> <span className="muted">and not applied: nothing of it holds yet.</span></p>
      {error ? <Fault error={error} inline /> : null}
      <div className="acts">
        <Button kind="main" busy={busy} disabled={blocked || stale} onClick={look}>Plan…</Button>
        <Button kind="bad" onClick={() => setThrowing(true)}>Throw away…</Button>
        {stale ? <span className="muted small">The configuration has changed meanwhile: throw away, and write it again.</span> : null}
        {blocked ? <span className="muted small">Something is wrong with the text: see above.</span> : null}
      </div>
      <Sure open={!!p && ready} onClose={done} title={words ? "Keep these words?" : "Apply this plan?"} verb={words ? "Keep" : "Apply"} passphrase
        run={({ passphrase }) => applyOf(plan!.of, p!.id, passphrase).then((r) => {
          say(r.status === "waiting" ? "It waits for a second administrator." : r.status === "empty" ? "The words are kept." : "It holds now.");
          discard(plan!.of);
          return anew(client);
        })}>
        {p ? words ? <p>Only comments, order or tests change: what holds stays as it is.</p> : <PlanLines plan={p} /> : null}
      </Sure>
      <Dialog open={!!p && !ready} onClose={done} title="This cannot be applied">{p ? <PlanLines plan={p} /> : null}<div className="dialog-acts"><Button onClick={done}>Back</Button></div></Dialog>
      <Dialog open={throwing} onClose={() => setThrowing(false)} title="Throw these changes away?">
        <p>The text goes back to what holds.</p>
        <div className="dialog-acts"><Button onClick={() => setThrowing(false)}>Back</Button><Button kind="bad" onClick={() => { setThrowing(false); discard(); void anew(client, { queryKey: ["config"] }); }}>Throw away</Button></div>
      </Dialog>
    </div>
  );
}
