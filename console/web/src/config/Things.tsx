import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useMe, usePeople } from "../api/queries";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { plain } from "../parts/format";
import { Loading } from "../parts/States";
import { useDraft, type Section } from "./draft";
import { Pending } from "./Pending";

const Editor = lazy(() => import("./Editor"));

/** Who may change the configuration, by name: said to those who may not. */
export function WhoChanges() {
  const people = usePeople();
  const admins = (people.data?.items ?? []).filter((p) => p.enabled && p.groups?.includes("administrators")).map((p) => plain(p.name));
  return <p className="muted small">{admins.length ? `${admins.slice(0, 5).join(", ")}${admins.length > 5 ? ", …" : ""} may change this: administrators. What anybody gains by a change takes two of them.` : "Administrators may change this."}</p>;
}

/** What a new thing begins with: of what the files name already, the first. */
function template(section: Section, first: (section: string) => string): string[] {
  switch (section) {
    case "policies": return [`who: ${first("groups") || "administrators"}`, `may have: ${first("roles") || "[]"}`, "needs:", `  - { approvals: 1, from: ${first("groups") || "administrators"} }`, "at most: 45m"];
    case "roles": return ["about: What it is for.", `on: ${first("resources") || "resource"}`, "may: []", "longest: 1h"];
    case "resources": return ["type: postgres", "address: host.internal:5432", "login: env:NAME"];
  }
}

/** What administrators add above a list: what is not applied yet, and a new thing. */
export function Changing({ section, one }: { section: Section; one: string }) {
  const me = useMe();
  const admin = !!me.data?.admin;
  const { draft, dirty, stale } = useDraft(admin);
  const [naming, setNaming] = useState(false);
  if (!me.data) return null;
  if (!admin) return <WhoChanges />;
  return (
    <>
      <div className="acts"><Button kind="main" disabled={!draft} onClick={() => setNaming(true)}>New {one}…</Button></div>
      {draft ? <Pending draft={draft} dirty={dirty} stale={stale} /> : null}
      <NewThing section={section} one={one} open={naming} onClose={() => setNaming(false)} />
    </>
  );
}

function NewThing({ section, one, open, onClose }: { section: Section; one: string; open: boolean; onClose: () => void }) {
  const go = useNavigate();
  const { draft } = useDraft(open);
  const [name, setName] = useState("");
  const [fault, setFault] = useState("");
  const close = (): void => { setName(""); setFault(""); onClose(); };
  return (
    <Dialog open={open} onClose={close} title={`A new ${one}`}>
      <form className="form" onSubmit={(e) => {
        e.preventDefault();
        const n = name.trim();
        if (!draft || !n) return;
        void Promise.all([import("./yaml"), import("./draft")]).then(([yaml, d]) => {
          const taken = draft.files.some((f) => { const r = yaml.read(f.text); return !("fault" in r) && yaml.at(r.value, [section, n]) !== undefined; });
          if (taken) return setFault(`There is a ${one} of this name already.`);
          const i = Math.max(0, draft.files.findIndex((f) => yaml.lineOf(f.text, section, n) !== undefined || new RegExp(`^${section}:`, "m").test(f.text)));
          const f = draft.files[i];
          const first = (s: string): string => {
            for (const x of draft.files) {
              const r = yaml.read(x.text);
              const all = "fault" in r ? undefined : yaml.at(r.value, [s]);
              const name = all && typeof all === "object" && !Array.isArray(all) ? Object.keys(all).find((k) => /^[A-Za-z][A-Za-z0-9._/-]*$/.test(k)) : undefined;
              if (name) return name;
            }
            return "";
          };
          const text = f ? yaml.insert(f.text, section, n, template(section, first)) : "";
          if (!f || text === f.text) return setFault("The text cannot be read, or its section is written in one line: write it there.");
          d.write(i, text);
          close();
          void go({ to: `/${section}`, search: { name: n } });
        });
      }}>
        <label className="field"><span>Name</span><input value={name} required maxLength={128} spellCheck={false} pattern="[\p{L}\p{N}][\p{L}\p{N}._\-\/@+#]*" title="Letters, digits and . _ - / @ + #" onChange={(e) => { setName(e.target.value); setFault(""); }} />
          <small className="muted">It is written into the text, and holds once it is applied.</small></label>
        {fault ? <p className="fault inline" role="alert"><span>{fault}</span></p> : null}
        <div className="dialog-acts"><Button onClick={close}>Back</Button><Button type="submit" kind="main">Write it</Button></div>
      </form>
    </Dialog>
  );
}

/** The page of one thing, for administrators: everybody else reads. */
export function EditPage({ section, name, title }: { section: Section; name: string; title: string }) {
  return (
    <div className="page editor-page">
      <header><Link to={`/${section}`} search={{}} className="back always">← {title}</Link><h1 className="cut-long">{plain(name)}</h1></header>
      <Suspense fallback={<Loading lines={8} />}><Editor key={`${section} ${name}`} section={section} name={name} /></Suspense>
    </div>
  );
}
