import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Plan } from "../api/queries";
import { Button } from "../parts/Button";
import { clock, count, plain } from "../parts/format";
import { Fault, Loading } from "../parts/States";
import { checkOf, useDraft, useSchema, write, type Draft, type Section } from "./draft";
import { Form } from "./Form";
import { Pending } from "./Pending";
import { at, lineOf, read, set, type Path, type Value } from "./yaml";
import { Yaml } from "./Yaml";

const kinds: Record<Section, "policy" | "role" | "resource"> = { policies: "policy", roles: "role", resources: "resource" };

/** Asks the gateway what it makes of the files, a moment after the last change. */
function useChecked(files: Draft["files"] | undefined): { plan: Plan | null; error: unknown; busy: boolean } {
  const [state, setState] = useState<{ plan: Plan | null; error: unknown; busy: boolean }>({ plan: null, error: null, busy: true });
  const turn = useRef(0);
  useEffect(() => {
    if (!files) return;
    const mine = ++turn.current;
    setState((s) => ({ ...s, busy: true }));
    const t = setTimeout(() => {
      checkOf(files).then(
        (plan) => { if (mine === turn.current) setState({ plan, error: null, busy: false }); },
        (error: unknown) => { if (mine === turn.current) setState((s) => ({ ...s, error, busy: false })); },
      );
    }, 400);
    return () => clearTimeout(t);
  }, [files]);
  return state;
}

const keysOf = (values: Value[], section: string): string[] => [
  ...new Set(values.flatMap((v) => { const s = at(v, [section]); return s && typeof s === "object" && !Array.isArray(s) ? Object.keys(s) : []; })),
].sort();

/** "curfew.yaml:31:5" */
const place = (where: string): { file: string; line: number } => {
  const m = /^(.*?):(\d+)(?::\d+)?$/.exec(where);
  return m ? { file: m[1] ?? "", line: Number(m[2]) } : { file: where, line: 0 };
};

/** One thing of the configuration: its sentence, a form and the text that stay in step, tests, and the plan. */
export default function Editor({ section, name }: { section: Section; name: string }) {
  const { holds, draft, dirty, stale } = useDraft(true);
  if (!draft) return holds.error ? <Fault error={holds.error} retry={() => holds.refetch()} /> : <Loading lines={8} />;
  return <Open section={section} name={name} draft={draft} dirty={dirty} stale={stale} />;
}

function Open({ section, name, draft, dirty, stale }: { section: Section; name: string; draft: Draft; dirty: boolean; stale: boolean }) {
  const go = useNavigate();
  const schema = useSchema(true);
  const reads = useMemo(() => draft.files.map((f) => read(f.text)), [draft.files]);
  const values = reads.map((r) => ("fault" in r ? null : r.value));
  const home = values.findIndex((v) => at(v ?? undefined, [section, name]) !== undefined);
  const [shown, setShown] = useState(Math.max(0, home));
  const [jump, setJump] = useState<{ line: number; n: number }>();
  const checked = useChecked(draft.files);
  useEffect(() => { if (home >= 0) setShown(home); }, [home]);
  const file = draft.files[shown] ?? draft.files[0];
  const value = home >= 0 ? at(values[home] ?? undefined, [section, name]) : undefined;
  const spoken = checked.plan?.spoken?.find((s) => s.kind === kinds[section] && s.name === name);
  const problems = checked.plan?.problems ?? [];
  const bad = new Set(problems.filter((p) => !p.warning).map((p) => place(p.where)).filter((p) => p.file === file?.name).map((p) => p.line));
  const broken = reads.findIndex((r) => "fault" in r);
  const fault = broken >= 0 ? (reads[broken] as { fault: string; line?: number }) : null;
  const known = { groups: keysOf(values, "groups").concat(keysOf(values, "groups").includes("administrators") ? [] : ["administrators"]), roles: keysOf(values, "roles"), resources: keysOf(values, "resources") };
  const from = draft.from;
  const change = (path: Path, v: Value | undefined): void => {
    const f = draft.files[home];
    if (f) write(home, set(f.text, [section, name, ...path], v));
  };
  const toLine = (where: string): void => {
    const p = place(where);
    const i = draft.files.findIndex((f) => f.name === p.file);
    if (i >= 0) setShown(i);
    setJump({ line: Math.max(1, p.line), n: (jump?.n ?? 0) + 1 });
  };
  if (!file) return <Fault error={new Error("There is no file.")} />;
  return (
    <div className="editing">
      <section className="card aloud" aria-labelledby="ed-aloud">
        <h2 id="ed-aloud">Read aloud</h2>
        <p className="aloud-text" aria-live="polite">{spoken ? plain(spoken.text) : checked.busy ? "…" : home < 0 && !fault ? "It is not in the files: applied like this, it is removed." : "It cannot be read aloud while something is wrong."}</p>
        {!spoken && !checked.busy && problems[0] ? <p className="small"><code>{plain(problems[0].where)}</code> {plain(problems[0].text)}</p> : null}
        {spoken?.dangers?.length ? <ul className="dangers">{spoken.dangers.map((d) => <li key={d}>{plain(d)}</li>)}</ul> : null}
        <p className="muted small">
          {from.kept ? <>Applied from <code>{plain(spoken?.where || file.name)}</code>{from.by ? ` by ${plain(from.by)}` : ""}{from.at ? `, ${clock(from.at)}` : ""}. Curfew does not follow that file: where it is kept elsewhere too, what is changed here has to go there, or the next apply from there undoes it (<code>curfew export</code>).</>
            : "Written from what holds: the comments and tests of the file that was applied are not known."}
        </p>
      </section>
      {stale ? <p className="banner in-page" role="status">Somebody has changed the configuration meanwhile. A plan of this text would undo that, and is refused: copy what you need, throw the changes away and make them again.</p> : null}
      <div className="form-and-text">
        <section className="card" aria-labelledby="ed-form">
          <h2 id="ed-form">As a form</h2>
          {fault ? <p className="fault inline" role="status"><span>{draft.files.length > 1 ? `${draft.files[broken]?.name}: ` : ""}{fault.line ? `line ${fault.line}: ` : ""}{plain(fault.fault)} The form is back when the text can be read.</span></p>
            : value === undefined ? <p className="muted">There is nothing called {plain(name)} in the files.</p>
              : <Form section={section} value={value} known={known} schema={schema.data} set={change} />}
          {home >= 0 && !fault ? (
            <div className="acts"><Button kind="bad" className="push" onClick={() => { const f = draft.files[home]; if (f) write(home, set(f.text, [section, name], undefined)); void go({ to: `/${section}`, search: {} }); }}>Remove {kinds[section]}</Button></div>
          ) : null}
        </section>
        <section className="card text-side" aria-labelledby="ed-text">
          <div className="card-head">
            <h2 id="ed-text">As text</h2>
            {draft.files.length > 1 ? (
              <label className="small"><span className="sr">File</span><select value={shown} onChange={(e) => setShown(Number(e.target.value))}>{draft.files.map((f, i) => <option key={f.name} value={i}>{plain(f.name)}</option>)}</select></label>
            ) : <code className="muted small">{plain(file.name)}</code>}
          </div>
          <Yaml key={file.name} text={file.text} onChange={(t) => write(shown, t)} label={`Configuration, ${file.name}`} bad={bad} line={jump?.line ?? lineOf(file.text, section, name)} go={jump?.n ?? 0} />
        </section>
      </div>
      <section className="card" aria-labelledby="ed-judged" aria-busy={checked.busy}>
        <h2 id="ed-judged">Problems and tests</h2>
        {checked.error ? <Fault error={checked.error} inline /> : null}
        {checked.plan ? <Judged plan={checked.plan} toLine={toLine} /> : checked.error ? null : <Loading lines={2} />}
      </section>
      <Pending draft={draft} dirty={dirty} stale={stale} blocked={problems.some((p) => !p.warning)} />
    </div>
  );
}

/** What is wrong, with its line; and each test, with what became of it. */
function Judged({ plan, toLine }: { plan: Plan; toLine: (where: string) => void }) {
  const tests = plan.results ?? [];
  return (
    <>
      {plan.problems?.length ? (
        <ul className="checks">
          {plan.problems.map((p, i) => (
            <li key={i} className={p.warning ? "odd" : "no"}><button type="button" className="link mono" onClick={() => toLine(p.where)}>{plain(p.where)}</button> {plain(p.text)}{p.fix ? <span className="muted">. {plain(p.fix)}</span> : null}</li>
          ))}
        </ul>
      ) : <p className="muted">Nothing is wrong with the files.</p>}
      {tests.length ? (
        <>
          <p className="small"><b>{count(tests.filter((t) => t.ok).length, "test")} of {tests.length} hold</b></p>
          <ul className="checks">{tests.map((t, i) => <li key={i} className={t.ok ? "yes" : "no"}><button type="button" className="link mono" onClick={() => toLine(t.where)}>{plain(t.where)}</button> {plain(t.text)}{t.why ? <span className="muted">: {plain(t.why)}</span> : null}</li>)}</ul>
        </>
      ) : plan.problems?.some((p) => !p.warning) ? <p className="muted small">Tests are run when nothing is wrong.</p> : <p className="muted small">The files have no tests. Under <code>tests:</code> a line each, for example <code>- alice can have orders/read on Tue 14:00</code></p>}
    </>
  );
}
