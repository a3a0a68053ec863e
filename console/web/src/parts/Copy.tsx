import { Check, Copy as Icon } from "lucide-react";
import { useState } from "react";
import { plain } from "./format";

/** A command, with what copies it. It is one line, whatever names stand in it. */
export function Copy({ text: given }: { text: string }) {
  const text = plain(given.replace(/\s+/g, " "));
  const [done, set] = useState(false);
  return (
    <span className="copy">
      <code>{text}</code>
      <button
        type="button"
        className="icon-button"
        aria-label={done ? "Copied" : `Copy ${text}`}
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => {
            set(true);
            setTimeout(() => set(false), 1500);
          });
        }}
      >
        {done ? <Check size={15} aria-hidden /> : <Icon size={15} aria-hidden />}
      </button>
    </span>
  );
}
