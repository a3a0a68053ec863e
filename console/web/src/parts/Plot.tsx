import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import uPlot from "uplot";

type Line = { name: string; values: (number | null)[]; lamp?: boolean };
type Props = { title: string; says: string; x: number[]; lines: Line[]; unit: (v: number) => string; bars?: boolean };

/** Steps of an axis: what is counted is whole. */
const whole = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400, 172_800, 432_000, 864_000, 1_728_000, 4_320_000, 8_640_000];

/** A plot, with its figures in a table for those who do not see it. */
export default function Plot({ title, says, x, lines, unit, bars }: Props) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const css = getComputedStyle(el);
    const color = (name: string): string => {
      const probe = document.createElement("span");
      probe.className = name;
      el.append(probe);
      const c = getComputedStyle(probe).color;
      probe.remove();
      return c;
    };
    const make = (): uPlot => new uPlot({
      width: el.clientWidth, height: 180, legend: { show: false }, cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [
        { stroke: color("ink-muted"), grid: { show: false }, ticks: { show: false }, font: `11px ${css.fontFamily}`, values: (_u, vs) => vs.map((v) => new Date(v * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" })) },
        { stroke: color("ink-muted"), grid: { stroke: color("ink-line"), width: 1 }, ticks: { show: false }, font: `11px ${css.fontFamily}`, size: 62, incrs: whole, values: (_u, vs) => vs.map((v) => unit(v)) },
      ],
      series: [{}, ...lines.map((l): uPlot.Series => {
        const c = color(l.lamp ? "ink-lamp" : "ink-accent");
        const paths = bars ? uPlot.paths.bars?.({ size: [0.7, 24], align: 0 }) : undefined;
        return { label: l.name, stroke: c, fill: bars ? c : undefined, width: bars ? 0 : 2, points: { show: !bars, size: 5, fill: c }, ...(paths ? { paths } : {}) };
      })],
    }, [x, ...lines.map((l) => l.values)] as uPlot.AlignedData, el);
    let plot = make();
    const again = (): void => { plot.destroy(); plot = make(); };
    const resize = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 180 }));
    resize.observe(el);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", again);
    return () => { resize.disconnect(); scheme.removeEventListener("change", again); plot.destroy(); };
  }, [x, lines, bars, unit]);
  return (
    <section className="card plot" aria-label={title}>
      <h2>{title}</h2>
      <p className="muted small">{says}</p>
      <p className="legend small">{lines.map((l) => <span key={l.name} className={l.lamp ? "legend-lamp" : "legend-accent"}>{l.name}</span>)}</p>
      <div ref={box} className="plot-box" aria-hidden />
      <div className="sr">
        <table>
          <caption>{title}</caption>
          <thead><tr><th>Day</th>{lines.map((l) => <th key={l.name}>{l.name}</th>)}</tr></thead>
          <tbody>{x.map((t, i) => <tr key={t}><td>{new Date(t * 1000).toISOString().slice(0, 10)}</td>{lines.map((l) => <td key={l.name}>{l.values[i] === null ? "none" : unit(l.values[i] ?? 0)}</td>)}</tr>)}</tbody>
        </table>
      </div>
    </section>
  );
}
