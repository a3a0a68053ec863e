/**
 * The colours of a terminal, on a background that is dark in both themes. What is written is
 * always to be read: a program that writes in the colour of its background hides nothing from
 * who watches.
 */
type RGB = [number, number, number];

export const paper: RGB = [11, 14, 20];
const usual: RGB = [215, 220, 228];

const base: RGB[] = [
  [52, 58, 70], [240, 113, 120], [127, 205, 130], [230, 190, 100], [120, 170, 255], [205, 145, 240], [100, 205, 215], [200, 206, 215],
  [110, 120, 138], [255, 145, 150], [160, 230, 160], [250, 215, 130], [155, 195, 255], [225, 175, 255], [140, 230, 238], [250, 251, 253],
];

/** One of xterm's 256. */
export function colour(n: number): RGB {
  if (n < 16) return base[n] ?? usual;
  if (n >= 232) {
    const v = 8 + (n - 232) * 10;
    return [v, v, v];
  }
  const level = (v: number): number => (v ? 55 + 40 * v : 0);
  const c = n - 16;
  return [level(Math.floor(c / 36)), level(Math.floor(c / 6) % 6), level(c % 6)];
}

function light([r, g, b]: RGB): number {
  const f = (v: number): number => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
}

export function contrast(a: RGB, b: RGB): number {
  const [x, y] = [light(a), light(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** Moves a colour towards black or white until it can be read on another. */
export function readable(ink: RGB, on: RGB, least = 4.6): RGB {
  const to = light(on) > 0.18 ? 0 : 255;
  let out = ink;
  for (let i = 1; contrast(out, on) < least && i <= 20; i++) out = ink.map((v) => Math.round(v + ((to - v) * i) / 20)) as RGB;
  return out;
}

const text = (c: RGB): string => `rgb(${c.join(" ")})`;
const made = new Map<string, { color: string; backgroundColor?: string }>();

/** How a run is shown: its two colours, of which one may be turned around. */
export function ink(run: { ink?: number; paper?: number; dim?: boolean; inverse?: boolean }): { color: string; backgroundColor?: string } {
  const key = `${run.ink ?? 0} ${run.paper ?? 0} ${run.dim ?? false} ${run.inverse ?? false}`;
  let style = made.get(key);
  if (!style) {
    let front = run.ink ? colour(run.ink - 1) : usual;
    let back = run.paper ? colour(run.paper - 1) : paper;
    if (run.inverse) [front, back] = [back, front];
    if (run.dim) front = front.map((v, i) => Math.round(v * 0.65 + back[i]! * 0.35)) as RGB;
    const color = text(readable(front, back));
    style = back === paper ? { color } : { color, backgroundColor: text(back) };
    made.set(key, style);
  }
  return style;
}
