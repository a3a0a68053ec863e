import { X } from "lucide-react";
import { useEffect, useId, useState, type ReactNode } from "react";
import { plain } from "../parts/format";
import type { Value } from "./yaml";

/** One value or several, as a list of texts. */
export const texts = (v: Value | undefined): string[] =>
  v === undefined || v === null ? [] : Array.isArray(v) ? v.filter((x) => x !== null && typeof x !== "object").map(String) : typeof v === "object" ? [] : [String(v)];
export const text = (v: Value | undefined): string => (v === undefined || v === null || typeof v === "object" ? "" : String(v));

/** One text stays one text; nothing is nothing. */
export const many = (all: string[]): Value | undefined => (all.length === 0 ? undefined : all.length === 1 ? (all[0] ?? "") : all);

type Common = { label: string; hint?: string | undefined };

/** A label, what it is of, and what more there is to say: said after the label, not in it. */
function Field({ label, hint, children }: Common & { children: (id: string, about: string | undefined) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, hint ? `${id}-h` : undefined)}
      {hint ? <small className="muted" id={`${id}-h`}>{hint}</small> : null}
    </div>
  );
}

export function Line({ label, hint, value, onChange, placeholder, list, mono, number }: Common & { value: string; onChange: (v: string) => void; placeholder?: string; list?: string[]; mono?: boolean; number?: boolean }) {
  return (
    <Field label={label} hint={hint}>
      {(id, about) => (
        <>
          <input id={id} aria-describedby={about} className={mono ? "mono" : undefined} value={value} placeholder={placeholder} inputMode={number ? "numeric" : undefined} list={list ? `${id}-l` : undefined} spellCheck={false} dir="auto" onChange={(e) => onChange(e.target.value)} />
          {list ? <datalist id={`${id}-l`}>{list.map((x) => <option key={x} value={x} />)}</datalist> : null}
        </>
      )}
    </Field>
  );
}

export function Pick({ label, hint, value, onChange, options }: Common & { value: string; onChange: (v: string) => void; options: { value: string; name: string }[] }) {
  const known = options.some((o) => o.value === value);
  return (
    <Field label={label} hint={hint}>
      {(id, about) => (
        <select id={id} aria-describedby={about} value={value} onChange={(e) => onChange(e.target.value)}>
          {known ? null : <option value={value}>{plain(value)}</option>}
          {options.map((o) => <option key={o.value} value={o.value}>{o.name}</option>)}
        </select>
      )}
    </Field>
  );
}

export function Check({ label, value, onChange }: { label: string; value: boolean; onChange: (v: boolean) => void }) {
  return <label className="check"><input type="checkbox" checked={value} onChange={(e) => onChange(e.target.checked)} /><span>{label}</span></label>;
}

/** Several names: each with what takes it away, and a line that adds one. */
export function Names({ label, hint, value, onChange, known, placeholder }: Common & { value: string[]; onChange: (v: string[]) => void; known: string[]; placeholder?: string }) {
  const [next, setNext] = useState("");
  const id = useId();
  const add = (t: string): void => {
    const all = t.split(",").map((x) => x.trim()).filter((x) => x && !value.includes(x));
    setNext("");
    if (all.length) onChange([...value, ...all]);
  };
  return (
    <div className="field" role="group" aria-labelledby={`${id}-l`}>
      <span id={`${id}-l`}>{label}</span>
      {value.length ? (
        <ul className="chips">
          {value.map((v, i) => (
            <li key={`${v}${i}`} className="chip-pair"><span className="chip name"><bdi>{plain(v)}</bdi></span><button type="button" className="chip" aria-label={`Remove ${plain(v)}`} onClick={() => onChange(value.filter((_, j) => j !== i))}><X size={12} aria-hidden /></button></li>
          ))}
        </ul>
      ) : null}
      <input aria-label={`Add to: ${label}`} aria-describedby={hint ? `${id}-h` : undefined} value={next} list={id} placeholder={placeholder} spellCheck={false} autoComplete="off"
        onChange={(e) => {
          const t = e.target.value;
          if (t.endsWith(",") || (known.includes(t) && (e.nativeEvent as InputEvent).inputType === "insertReplacementText")) add(t);
          else setNext(t);
        }}
        onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); add(next); } }}
        onBlur={() => add(next)} />
      <datalist id={id}>{known.filter((k) => !value.includes(k)).map((k) => <option key={k} value={k} />)}</datalist>
      {hint ? <small className="muted" id={`${id}-h`}>{hint}</small> : null}
    </div>
  );
}

/** Text that means something: what is typed stays as it is typed while it means the same. */
function Typed({ label, hint, parsed, shown, parse, onChange, rows, placeholder }: Common & { parsed: unknown; shown: string; parse: (t: string) => unknown; onChange: (t: string) => void; rows: number; placeholder?: string }) {
  const [local, setLocal] = useState(shown);
  const key = JSON.stringify(parsed);
  useEffect(() => { if (JSON.stringify(parse(local)) !== key) setLocal(shown); }, [key]);
  return (
    <Field label={label} hint={hint}>
      {(id, about) => <textarea id={id} aria-describedby={about} className="mono" rows={rows} value={local} placeholder={placeholder} spellCheck={false} dir="auto" onChange={(e) => { setLocal(e.target.value); onChange(e.target.value); }} />}
    </Field>
  );
}

const linesOf = (t: string): string[] => t.split("\n").map((x) => x.trim()).filter(Boolean);

/** Several texts, one on each line. */
export function Lines({ value, onChange, rows = 3, ...rest }: Common & { value: string[]; onChange: (v: string[]) => void; rows?: number; placeholder?: string }) {
  return <Typed {...rest} rows={Math.max(rows, value.length + 1)} parsed={value} shown={value.join("\n")} parse={linesOf} onChange={(t) => onChange(linesOf(t))} />;
}

const pairsOf = (t: string): Record<string, string> => Object.fromEntries(linesOf(t).map((l) => { const i = l.indexOf(":"); return i < 0 ? [l, ""] : [l.slice(0, i).trim(), l.slice(i + 1).trim()]; }).filter(([k]) => k));

/** Names with values, "env: production" on each line. */
export function Pairs({ value, onChange, ...rest }: Common & { value: Record<string, string>; onChange: (v: Record<string, string>) => void; placeholder?: string }) {
  return <Typed {...rest} rows={Math.max(2, Object.keys(value).length + 1)} parsed={value} shown={Object.entries(value).map(([k, v]) => `${k}: ${v}`).join("\n")} parse={pairsOf} onChange={(t) => onChange(pairsOf(t))} />;
}

export function More({ title, open, children }: { title: string; open: boolean; children: ReactNode }) {
  return <details className="more-fields" open={open || undefined}><summary>{title}</summary><div className="form">{children}</div></details>;
}
