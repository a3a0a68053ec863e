import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { lines } from "./yaml";

type Props = {
  text: string;
  onChange: (t: string) => void;
  label: string;
  /** Lines at which something is wrong. */
  bad: Set<number>;
  /** The line to show first. */
  line?: number | undefined;
  /** Counts up when the line shall be gone to, with the focus. */
  go?: number;
  readOnly?: boolean;
};

/** The text itself, with its lines numbered. */
export function Yaml({ text, onChange, label, bad, line, go, readOnly }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const n = lines(text);
  const marked = [...bad].sort((a, b) => a - b).join();
  const numbers = useMemo(() => {
    const marks = new Map<number, string>(line ? [[line, "here"]] : []);
    for (const b of bad) marks.set(b, "bad");
    const out: ReactNode[] = [];
    let plain = "";
    for (let i = 1; i <= n; i++) {
      const mark = marks.get(i);
      if (!mark) { plain += `${i}\n`; continue; }
      out.push(plain, <span key={i} className={mark}>{i}{"\n"}</span>);
      plain = "";
    }
    return [...out, plain];
  }, [n, line, marked]);
  const show = (at: number, focus: boolean): void => {
    const t = area.current;
    if (!t) return;
    const height = parseFloat(getComputedStyle(t).lineHeight) || 20;
    t.scrollTop = Math.max(0, (at - 3) * height);
    if (gutter.current) gutter.current.scrollTop = t.scrollTop;
    if (!focus) return;
    const from = text.split("\n").slice(0, at - 1).join("\n").length + (at > 1 ? 1 : 0);
    t.focus();
    t.setSelectionRange(from, text.indexOf("\n", from) < 0 ? text.length : text.indexOf("\n", from));
  };
  const first = useRef(true);
  useEffect(() => {
    if (line && (first.current || go)) show(line, !first.current && !!go);
    if (line) first.current = false;
  }, [line === undefined, go]);
  return (
    <div className="yaml">
      <pre ref={gutter} className="yaml-lines" aria-hidden>
        {numbers}
      </pre>
      <textarea ref={area} className="mono" wrap="off" spellCheck={false} autoCapitalize="off" autoCorrect="off" dir="ltr" aria-label={label} readOnly={readOnly} value={text}
        onChange={(e) => onChange(e.target.value)} onScroll={(e) => { if (gutter.current) gutter.current.scrollTop = e.currentTarget.scrollTop; }} />
    </div>
  );
}
