import type { ButtonHTMLAttributes, ReactNode } from "react";

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: "main" | "plain" | "bad" | "quiet";
  hint?: string;
  busy?: boolean;
  icon?: ReactNode;
};

/** A button; hint is the key that does the same. */
export function Button({ kind = "plain", hint, busy, icon, children, className = "", disabled, ...rest }: Props) {
  return (
    <button type="button" className={`button ${kind} ${className}`} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
      {icon}
      <span>{children}</span>
      {hint ? <kbd aria-hidden>{hint}</kbd> : null}
    </button>
  );
}
