import { acts, useAct, type Session } from "../api/queries";
import { plain } from "./format";
import { Sure } from "./Sure";
import { say } from "./Toasts";

/** Ends one session now. Its holder is told who, and why. */
export function CutDialog({ session: s, open, onClose }: { session: Session; open: boolean; onClose: () => void }) {
  const cut = useAct(acts.cut);
  return (
    <Sure open={open} onClose={onClose} title={`Cut ${s.who}’s session?`} verb="Cut now" bad askWhy whyNeeded reasons={["Wrong place", "This is not what was asked for", "Stop, I call you"]}
      run={({ why }) => cut.mutateAsync({ id: s.id, why }).then(() => say("Cut.", { description: "Its end is checked at the target." }))}>
      <p>{plain(s.who)} on {s.resource} as {s.role}. What runs at the target is ended too; the grant goes on.</p>
    </Sure>
  );
}
