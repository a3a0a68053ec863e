import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { anew } from "../api/anew";
import { makePasskey, passkeys, removePasskey } from "../api/passkey";
import type { Schemas } from "../api/client";
import { Button } from "./Button";
import { clock, plain } from "./format";
import { Show } from "./States";
import { Sure } from "./Sure";
import { say } from "./Toasts";

/** One's passkeys: made, and removed by a touch. */
export function Passkeys() {
  const client = useQueryClient();
  const all = useQuery({ queryKey: ["people", "passkeys"], queryFn: passkeys });
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Schemas["Passkey"] | null>(null);
  const first = !all.data?.items?.length;
  const after = (text: string) => async (): Promise<void> => {
    say(text);
    await anew(client);
  };
  return (
    <>
      <Show of={all} lines={1}>
        {(list) => (list.items?.length ? (
          <>
            <ul className="rows" aria-label="Passkeys">
              {list.items.map((k) => (
                <li key={k.id} className="row-line"><code>{k.id.slice(0, 10)}…</code> <span className="muted">added {clock(k.added)}, for {plain(k.origin)}</span> <Button kind="bad" onClick={() => setRemoving(k)}>Remove…</Button></li>
              ))}
            </ul>
            <p className="muted small">You decide by their touch alone: your passphrase only signs you in.</p>
          </>
        ) : <p className="muted">You have none: your passphrase decides. With a passkey, nobody whom you tell your passphrase can decide as you.</p>)}
      </Show>
      <div className="acts"><Button onClick={() => setAdding(true)}>Add a passkey…</Button></div>
      <Sure open={adding} onClose={() => setAdding(false)} title="Add a passkey?" verb="Add" passphrase={first} run={({ passphrase }) => makePasskey(passphrase).then(after("Your passkey counts from now on."))}>
        <p>{first ? "From then on you decide by its touch, and by nothing else." : "You touch the new one, then one that you have."}</p>
        {first ? <p className="muted small">Add a second one too: if all are lost, an administrator has to invite you anew.</p> : null}
      </Sure>
      <Sure open={!!removing} onClose={() => setRemoving(null)} title="Remove this passkey?" verb="Remove" bad run={() => removePasskey(removing?.id ?? "").then(after("Removed: it never counts again."))}>
        <p>{(all.data?.items?.length ?? 0) > 1 ? "You touch any passkey of yours." : "It is your last one: your passphrase decides again."}</p>
      </Sure>
    </>
  );
}
