import { useRef, useState, type FormEvent, type ReactNode } from "react";
import { useMe } from "../api/queries";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Fault } from "./States";
import { failed } from "./Toasts";

export type Given = { why: string; passphrase: string };

type Props = {
  open: boolean;
  onClose: () => void;
  title: string;
  verb: string;
  bad?: boolean;
  children?: ReactNode;
  /** Reasons for one tap; the text can be anything. */
  reasons?: string[];
  askWhy?: boolean;
  whyNeeded?: boolean;
  /** A decision needs a sign-in of its own. */
  passphrase?: boolean;
  run: (given: Given) => Promise<unknown>;
};

/** Asks for what an act needs: words, and the sign-in of its own that a decision takes. */
export function Sure({ open, onClose, title, verb, bad, children, reasons, askWhy, whyNeeded, passphrase, run }: Props) {
  const touches = useMe().data?.passkey;
  const [why, setWhy] = useState("");
  const [phrase, setPhrase] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const under = useRef(false); // two clicks in one moment are one
  const turn = useRef(0); // an answer that comes when this was closed is not of what is open now
  const close = (): void => {
    turn.current++;
    under.current = false;
    setBusy(false);
    setWhy("");
    setPhrase("");
    setError(null);
    onClose();
  };
  const submit = (e: FormEvent): void => {
    e.preventDefault();
    if (under.current) return;
    under.current = true;
    setBusy(true);
    setError(null);
    const mine = turn.current;
    run({ why, passphrase: phrase }).then(
      () => { if (turn.current === mine) close(); },
      (e: unknown) => {
        if (turn.current === mine) setError(e);
        else failed("What you had begun did not happen.")(e);
      },
    ).finally(() => {
      if (turn.current !== mine) return;
      under.current = false;
      setBusy(false);
      setPhrase("");
    });
  };
  return (
    <Dialog open={open} onClose={close} title={title}>
      <form onSubmit={submit} className="form">
        {children}
        {reasons ? (
          <div className="chips" role="group" aria-label="Reasons">
            {reasons.map((r) => (
              <button type="button" key={r} className="chip" aria-pressed={why === r} onClick={() => setWhy(r)}>{r}</button>
            ))}
          </div>
        ) : null}
        {askWhy ? (
          <label className="field">
            <span>Why{whyNeeded ? "" : " (they are shown your words)"}</span>
            <textarea rows={2} maxLength={2000} value={why} required={whyNeeded} onChange={(e) => setWhy(e.target.value)} />
          </label>
        ) : null}
        {passphrase && touches ? <p className="muted">You touch your passkey for exactly this.</p> : null}
        {passphrase && !touches ? (
          <label className="field">
            <span>Your passphrase</span>
            <input data-first type="password" autoComplete="current-password" value={phrase} required onChange={(e) => setPhrase(e.target.value)} />
            <small className="muted">A decision takes a sign-in of its own: whoever finds this page open decides nothing.</small>
          </label>
        ) : null}
        {error ? <Fault error={error} inline /> : null}
        <div className="dialog-acts">
          <Button onClick={close}>Back</Button>
          <Button type="submit" kind={bad ? "bad" : "main"} busy={busy}>{verb}</Button>
        </div>
      </form>
    </Dialog>
  );
}
