import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useFocus } from "./focus";
import { plain } from "./format";

type Props = { open: boolean; onClose: () => void; title: string; children: ReactNode; wide?: boolean };

/** A dialog in which the focus stays, and from which Escape leads out. */
export function Dialog({ open, onClose, title, children, wide }: Props) {
  const focus = useFocus(open);
  return (
    <Base.Root open={open} onOpenChange={(o) => { if (!o) onClose(); }}>
      <Base.Portal>
        <Base.Backdrop className="backdrop" />
        <Base.Popup className={`dialog${wide ? " wide" : ""}`} {...focus}>
          <header>
            <Base.Title className="dialog-title">{plain(title)}</Base.Title>
            <Base.Close className="icon-button" aria-label="Close"><X size={18} aria-hidden /></Base.Close>
          </header>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
