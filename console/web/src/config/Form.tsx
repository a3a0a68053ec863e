import { Button } from "../parts/Button";
import type { Schema, Section } from "./draft";
import { Check, Line, Lines, many, More, Names, Pairs, Pick, text, texts } from "./fields";
import { at, type Path, type Value } from "./yaml";

type Given = {
  section: Section;
  value: Value;
  /** What the files name: to choose from. */
  known: { groups: string[]; roles: string[]; resources: string[] };
  schema: Schema | undefined;
  set: (path: Path, value: Value | undefined) => void;
};

/** What the parser says a key is for. */
function about(schema: Schema | undefined, ...keys: string[]): Schema | undefined {
  let s: Schema | undefined = schema;
  for (const k of keys) {
    if (k === "*") s = typeof s?.additionalProperties === "object" ? s.additionalProperties : undefined;
    else s = s?.properties?.[k];
  }
  return s;
}

const options = (s: Schema | undefined): string[] => s?.enum ?? s?.anyOf?.flatMap((x) => x.enum ?? x.items?.enum ?? []) ?? s?.items?.enum ?? [];

/** Numbers stay numbers; what is none stays as it is typed, and the gateway says so. */
const number = (t: string): Value | undefined => (t.trim() === "" ? undefined : /^[0-9]{1,15}$/.test(t.trim()) ? Number(t) : t);
const some = (t: string): string | undefined => (t === "" ? undefined : t);

export function Form(given: Given) {
  if (given.value === null || typeof given.value !== "object" || Array.isArray(given.value)) return <p className="muted">What stands there is no table of keys: the text is changed by hand.</p>;
  switch (given.section) {
    case "policies": return <PolicyForm {...given} />;
    case "roles": return <RoleForm {...given} />;
    case "resources": return <ResourceForm {...given} />;
  }
}

function PolicyForm({ value, known, schema, set }: Given) {
  const get = (...path: Path): Value | undefined => at(value, path);
  const hint = (...keys: string[]): string | undefined => about(schema, "policies", "*", ...keys)?.description;
  const classes = [...new Set(options(about(schema, "policies", "*", "release", "statements")))];
  const records = options(about(schema, "policies", "*", "record"));
  const names: Record<string, string> = { live: "as it goes", first: "before it is sent", results: "as it goes, with results", "first, results": "before it is sent, with results" };
  return (
    <div className="form">
      <Names label="Who may ask" hint={hint("who")} value={texts(get("who"))} known={known.groups} placeholder="a group, or an address" onChange={(v) => set(["who"], many(v) ?? [])} />
      <Names label="May have" hint={hint("may have")} value={texts(get("may have"))} known={known.roles} placeholder="a role" onChange={(v) => set(["may have"], many(v) ?? [])} />
      <Line label="For at most" hint={hint("at most")} value={text(get("at most"))} placeholder="as long as the role allows" onChange={(v) => set(["at most"], some(v))} />
      <Lines label="Hours, one on each line" hint="Weekdays, hours and a zone; without any it is always open." value={texts(get("when", "hours"))} rows={2} placeholder="Mon-Fri 09:00-18:00 Europe/Paris" onChange={(v) => set(["when", "hours"], many(v))} />
      <Check label="Open during freezes too" value={get("when", "freezes") === "allowed"} onChange={(v) => set(["when", "freezes"], v ? "allowed" : undefined)} />
      <Needs value={get("needs")} groups={known.groups} set={set} />
      <More title="Clocks and recording" open={["answer within", "use within", "starts", "record", "extensions", "risk"].some((k) => get(k) !== undefined)}>
        {about(schema, "policies", "*", "risk") ? (
          <Pick label="Risk" hint={hint("risk")} value={text(get("risk"))} onChange={(v) => set(["risk"], some(v))} options={[{ value: "", name: "not said" }, ...options(about(schema, "policies", "*", "risk")).map((v) => ({ value: v, name: v }))]} />
        ) : null}
        <Line label="A request lapses after" value={text(get("answer within"))} placeholder="30m" onChange={(v) => set(["answer within"], some(v))} />
        <Line label="A grant nobody uses lapses after" value={text(get("use within"))} placeholder="8h" onChange={(v) => set(["use within"], some(v))} />
        <Pick label="The clock starts" value={text(get("starts")) || "approval"} onChange={(v) => set(["starts"], v === "approval" ? undefined : v)} options={[{ value: "approval", name: "when it is approved" }, { value: "first use", name: "at first use" }]} />
        <Pick label="Recorded" hint={hint("record")} value={text(get("record")) || "live"} onChange={(v) => set(["record"], v === "live" ? undefined : v)} options={records.map((v) => ({ value: v, name: names[v] ?? v }))} />
        <Check label="A grant may be made longer" value={get("extensions") !== "none"} onChange={(v) => set(["extensions"], v ? undefined : "none")} />
      </More>
      <More title="Budget of each grant" open={get("budget") !== undefined}>
        {["statements", "rows", "bytes"].map((k) => <Line key={k} number label={`At most ${k}`} value={text(get("budget", k))} placeholder="no bound" onChange={(v) => set(["budget", k], number(v))} />)}
      </More>
      <More title="Statements that wait for a release" open={get("release") !== undefined}>
        <Names label="Which statements" hint={hint("release", "statements")} value={texts(get("release", "statements"))} known={classes} placeholder="drop" onChange={(v) => set(["release", "statements"], many(v))} />
        <Line number label="How many people must release them" value={text(get("release", "by", "approvals"))} placeholder="1" onChange={(v) => set(["release", "by", "approvals"], number(v))} />
        <Names label="Out of whom" value={texts(get("release", "by", "from"))} known={[...known.groups, "manager", "peer"]} placeholder="a group" onChange={(v) => set(["release", "by", "from"], many(v))} />
        <Line label="Refused after" value={text(get("release", "within"))} placeholder="10m" onChange={(v) => set(["release", "within"], some(v))} />
      </More>
    </div>
  );
}

const kinds = ["incident", "maintenance", "change", "ticket", "deploy", "debugging"];

/** What must be open, and who must agree: a row for each. */
function Needs({ value, groups, set }: { value: Value | undefined; groups: string[]; set: Given["set"] }) {
  const rows: Value[] = Array.isArray(value) ? value : [];
  const people = rows.some((r) => at(r, ["approvals"]) !== undefined);
  const put = (all: Value[]): void => set(["needs"], all.length ? all : undefined);
  return (
    <fieldset className="needs">
      <legend>What it takes</legend>
      {rows.length === 0 ? <p className="muted small">Nothing: whoever may ask has it at once.</p> : null}
      <ul className="cards">
        {rows.map((r, i) => {
          const kind = kinds.find((k) => at(r, [k]) !== undefined);
          const key = (k: string): Path => ["needs", i, k];
          return (
            <li key={i} className="need">
              {at(r, ["approvals"]) !== undefined ? (
                <>
                  <Line number label="Approvals" value={text(at(r, ["approvals"]))} onChange={(v) => set(key("approvals"), number(v) ?? "")} />
                  <Names label="Out of whom" value={texts(at(r, ["from"]))} known={[...groups, "manager", "peer"]} placeholder="a group, manager or peer" onChange={(v) => set(key("from"), many(v) ?? [])} />
                </>
              ) : kind ? (
                <>
                  <Pick label="Something open" value={kind} options={kinds.map((k) => ({ value: k, name: `an open ${k}` }))}
                    onChange={(v) => put(rows.map((x, j) => (j === i ? { [v]: "open", ...Object.fromEntries(Object.entries(x as Record<string, Value>).filter(([k]) => k !== kind)) } : x)))} />
                  <Check label="It must be assigned to who asks" value={at(r, ["assigned to"]) !== undefined} onChange={(v) => set(key("assigned to"), v ? "requester" : undefined)} />
                  {people ? null : (
                    <Pick label="Opened by" value={at(r, ["accept"]) !== undefined ? "self" : "other"} options={[{ value: "other", name: "someone else" }, { value: "self", name: "who asks, too: their own word is enough" }]}
                      onChange={(v) => put(rows.map((x, j) => (j === i ? own(x, v === "self") : x)))} />
                  )}
                </>
              ) : <p className="muted small">This need is written by hand: change it in the text.</p>}
              <Button kind="quiet" onClick={() => put(rows.filter((_, j) => j !== i))}>Remove this need</Button>
            </li>
          );
        })}
      </ul>
      <div className="acts">
        <Button onClick={() => put([...rows.map(plainNeed), { approvals: 1, from: groups[0] ?? "peer" }])}>Add an approval</Button>
        <Button onClick={() => put([...rows, people ? { incident: "open" } : { incident: "open", "opened by": "someone else" }])}>Add something open</Button>
      </div>
    </fieldset>
  );
}

const own = (need: Value, self: boolean): Value => {
  const rest = Object.fromEntries(Object.entries(need as Record<string, Value>).filter(([k]) => k !== "accept" && k !== "opened by"));
  return self ? { ...rest, accept: "self-declared" } : { ...rest, "opened by": "someone else" };
};
/** Beside approvals nobody asks who opened something: another person agrees already. */
const plainNeed = (need: Value): Value =>
  need !== null && typeof need === "object" && !Array.isArray(need) ? Object.fromEntries(Object.entries(need).filter(([k]) => k !== "opened by")) : need;

const table = (v: Value | undefined): Record<string, string> =>
  v && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, text(x)])) : {};

function RoleForm({ value, known, schema, set }: Given) {
  const get = (...path: Path): Value | undefined => at(value, path);
  const hint = (k: string): string | undefined => about(schema, "roles", "*", k)?.description;
  const labels = typeof get("on") === "object" && get("on") !== null;
  return (
    <div className="form">
      <Line label="What it is for" value={text(get("about"))} placeholder="Look at orders and refunds." onChange={(v) => set(["about"], some(v))} />
      <Pick label="Where" value={labels ? "labels" : "name"} onChange={(v) => set(["on"], v === "labels" ? { env: "production" } : (known.resources[0] ?? "resource"))} options={[{ value: "name", name: "on one resource" }, { value: "labels", name: "on whatever has these labels" }]} />
      {labels ? <Pairs label="Labels it must have" value={table(get("on"))} placeholder="env: production" onChange={(v) => { if (Object.keys(v).length) set(["on"], v); }} />
        : <Line label="Resource" value={text(get("on"))} list={known.resources} onChange={(v) => set(["on"], v)} />}
      <Lines label="May, one on each line" hint={hint("may")} value={texts(get("may"))} rows={4} placeholder="read orders.*" onChange={(v) => set(["may"], v.length ? v : undefined)} />
      <Lines label="Never, whatever else says it may" value={texts(get("never"))} rows={2} placeholder="delete" onChange={(v) => set(["never"], v.length ? v : undefined)} />
      <Line label="A grant lasts at most" hint={hint("longest")} value={text(get("longest"))} placeholder="2h" onChange={(v) => set(["longest"], v)} />
      <More title="Together with other roles" open={get("includes") !== undefined || get("excludes") !== undefined}>
        <Names label="Includes" hint={hint("includes")} value={texts(get("includes"))} known={known.roles} onChange={(v) => set(["includes"], many(v))} />
        <Names label="Excludes" hint={hint("excludes")} value={texts(get("excludes"))} known={known.roles} onChange={(v) => set(["excludes"], many(v))} />
      </More>
    </div>
  );
}

const engines = ["postgres", "mysql", "ssh", "http", "tcp"];

function ResourceForm({ value, schema, set }: Given) {
  const get = (...path: Path): Value | undefined => at(value, path);
  const hint = (k: string): string | undefined => about(schema, "resources", "*", k)?.description;
  const by = get("options") !== undefined || (typeof get("tls") === "object" && get("tls") !== null);
  return (
    <div className="form">
      <Line label="Type" hint={hint("type")} value={text(get("type"))} list={engines} onChange={(v) => set(["type"], v)} />
      <Line label="Address" hint={hint("address")} value={text(get("address"))} placeholder="orders.internal:5432" mono onChange={(v) => set(["address"], v)} />
      <Line label="The gateway’s own login" hint="A reference, env:NAME or file:NAME: a secret never stands here, and people never see it." value={text(get("login"))} placeholder="env:ORDERS_DB_ADMIN" mono onChange={(v) => set(["login"], some(v))} />
      <Pick label="Account" hint={hint("account")} value={text(get("account")) || "leased"} onChange={(v) => set(["account"], v === "leased" ? undefined : v)} options={[{ value: "leased", name: "one for each grant, removed at its end" }, { value: "fixed", name: "one fixed account; the gateway is the wall" }]} />
      <Pairs label="Labels, one on each line" hint={hint("labels")} value={table(get("labels"))} placeholder="env: production" onChange={(v) => set(["labels"], Object.keys(v).length ? v : undefined)} />
      <More title="Of its protocol" open={["database", "tls", "host key", "accepts"].some((k) => get(k) !== undefined)}>
        <Line label="Database" value={text(get("database"))} onChange={(v) => set(["database"], some(v))} />
        {typeof get("tls") === "object" && get("tls") !== null ? null : <Line label="TLS" hint={hint("tls")} value={text(get("tls"))} onChange={(v) => set(["tls"], some(v))} />}
        <Lines label="Host keys, one on each line" value={texts(get("host key"))} rows={2} onChange={(v) => set(["host key"], many(v))} />
        <Line label="Accepted beyond the role" hint={hint("accepts")} value={text(get("accepts"))} mono onChange={(v) => set(["accepts"], some(v))} />
      </More>
      {by ? <p className="muted small">Other options of the engine are written in the text.</p> : null}
    </div>
  );
}
