/** Go's durations ("1h30m0s") in milliseconds; NaN where it is none. */
export function millis(d: string | undefined): number {
  if (!d) return NaN;
  let ms = 0;
  let rest = d;
  const unit: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, µs: 0.001, us: 0.001, ns: 0.000001 };
  for (;;) {
    const m = /^(\d+(?:\.\d+)?)(h|ms|m|s|µs|us|ns)/.exec(rest);
    if (!m) break;
    ms += Number(m[1]) * (unit[m[2] ?? ""] ?? NaN);
    rest = rest.slice(m[0].length);
  }
  return rest === "" ? ms : NaN;
}

/** "45 min", "2 h", "1 h 30 min", "40 s". */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  return [`${Math.floor(h / 24)} d`, h % 24 && `${h % 24} h`, m % 60 && `${m % 60} min`].filter(Boolean).join(" ");
}

/** "0.3 ms", "41 ms", "1.2 s": how long a machine took. */
export function brief(d: string): string {
  const ms = millis(d);
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A duration as one writes it: "10m", "1h30m", not "10m0s". */
export const brevity = (d: string): string => d.replace(/^(.*[hm])0s$/, "$1").replace(/^(.*h)0m$/, "$1");

export const duration = (d: string | undefined): string => span(millis(d));

/** "4:59", "1:02:03": what burns down. */
export function clockLeft(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const p = (n: number): string => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${p(Math.floor(s / 60) % 60)}:${p(s % 60)}` : `${Math.floor(s / 60)}:${p(s % 60)}`;
}

export const zero = (t: string | undefined): boolean => !t || t.startsWith("0001-");

const hm = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const hms = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dm = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

const sameDay = (a: Date, b: Date): boolean => a.toDateString() === b.toDateString();

/** "14:47", or "Tue 3 Mar 14:47" of another day. */
export function clock(t: string | Date | undefined, now = new Date()): string {
  if (!t || (typeof t === "string" && zero(t))) return "";
  const d = new Date(t);
  return sameDay(d, now) ? hm.format(d) : `${dm.format(d)} ${hm.format(d)}`;
}
export const seconds = (t: string): string => hms.format(new Date(t));
export const exact = (t: string): string => full.format(new Date(t));
export const day = (t: string | Date): string => dm.format(new Date(t));

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    n /= 1024;
    if (n < 1024 || unit === "GiB") return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
  }
  return "";
}

export const initials = (name: string): string =>
  name.split(/\s+/).filter(Boolean).map((w) => Array.from(w)[0] ?? "").join("").slice(0, 2).toUpperCase() || "?";

/**
 * Text of strangers: what would act on the reader's screen is shown as what it is.
 * React escapes markup; this does the same for control and bidirectional characters.
 */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}
