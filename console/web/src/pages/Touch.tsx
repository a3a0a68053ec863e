import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { drop, touch, waiting } from "../api/passkey";
import { Button } from "../parts/Button";
import { clock, plain } from "../parts/format";
import { Fault, Show } from "../parts/States";

/** What a command line of one's own asks to be touched for. */
export function Touch() {
  const { id } = useParams({ from: "/touch/$id" });
  const it = useQuery({ queryKey: ["touch", id], queryFn: waiting(id), refetchInterval: 5000 });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = (f: () => Promise<unknown>): void => {
    setBusy(true);
    setError(null);
    f().catch(setError).finally(() => { setBusy(false); void it.refetch(); });
  };
  return (
    <div className="page">
      <Show of={it}>
        {(t) => (
          <>
            <h1>{plain(t.title)}</h1>
            <p className="muted">Asked by <b>{plain(t.by ?? "a sign-in of yours")}</b> at {clock(t.asked)}. Touch only for what you have just asked for yourself.</p>
            {t.lines?.length ? <ul className="card lines">{t.lines.map((l, i) => <li key={i}>{plain(l)}</li>)}</ul> : null}
            {error ? <Fault error={error} inline /> : null}
            {t.status === "waiting" ? (
              <>
                <div className="acts">
                  <Button kind="main" busy={busy} autoFocus={(t.lines ?? []).join("").length < 1000} onClick={() => run(() => touch(id))}>Touch your passkey</Button>
                  <Button kind="bad" busy={busy} onClick={() => run(() => drop(id))}>Drop it</Button>
                </div>
                <p className="muted small">It lapses at {clock(t.until)}.</p>
              </>
            ) : t.status === "done" ? (
              <p role="status"><b>Done.</b> Whoever asked goes on; you can close this page.</p>
            ) : (
              <p role="status"><b>{t.fault && (t.fault.code === "ledger.unknown" || t.fault.status >= 500) ? "It is not known whether it was done." : "Nothing was changed."}</b> {t.fault ? plain(t.fault.detail || t.fault.title) : ""}</p>
            )}
          </>
        )}
      </Show>
    </div>
  );
}
