import { initials, plain } from "./format";

/** Somebody's initials in a circle. */
export function Avatar({ name, small }: { name: string; small?: boolean }) {
  return <span className={`avatar${small ? " small" : ""}`} aria-hidden>{initials(name)}</span>;
}

/** Text of somebody: quoted, and unable to act on the reader's screen. */
export function Quote({ text }: { text: string }) {
  return <blockquote className="quote"><bdi>“{plain(text)}”</bdi></blockquote>;
}

export function Badge({ tone = "plain", children }: { tone?: "plain" | "good" | "bad" | "lamp" | "accent"; children: React.ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

const tones: Record<string, "plain" | "good" | "bad" | "lamp" | "accent"> = {
  pending: "lamp", approved: "good", denied: "bad", lapsed: "plain", withdrawn: "plain", voided: "plain",
  active: "good", scheduled: "lamp", ended: "plain", verified: "plain", live: "good", "may ask": "accent",
};

export function Status({ of }: { of: string }) {
  return <Badge tone={tones[of] ?? "plain"}>{of}</Badge>;
}
