import { Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useFacts } from "../api/facts";
import { acts, useAct, useMe, type Request } from "../api/queries";
import { Button } from "./Button";
import { clock, duration, millis, plain, span } from "./format";
import { Ago } from "./Fuse";
import { useKeys } from "./keys";
import { useNow } from "./now";
import { Sure } from "./Sure";
import { failed, say } from "./Toasts";
import { Avatar, Badge, Quote, Status } from "./Who";

/** Checks that say nothing where they hold: they are there for who wants to see all. */
const always = /^(needs somebody who is not disabled|needs a resource that the role reaches|needs a reason|needs no role that excludes it|needs people who can give|needs a start within .*: as soon as|at any time: no hours set|needs no freeze: no freeze)/;

const sayCheck = (c: string): string => c.replace(/^needs /, "");

/** What a person decides by, in the order in which it matters. */
export function RequestCard({ request: r, act }: { request: Request; act?: string | undefined }) {
  const me = useMe();
  const facts = useFacts(r.id);
  const pending = r.status === "pending";
  const own = me.data?.id === r.principal;
  const withdraw = useAct(acts.withdraw);
  const usual = (r.checks ?? []).filter((c) => always.test(c));
  const shown = (r.checks ?? []).filter((c) => !always.test(c));
  return (
    <article className="request">
      <div className="request-body">
        <Link to="/requests" search={(s: Record<string, string | undefined>) => ({ tab: s.tab })} className="back"><ArrowLeft size={16} aria-hidden /> Requests</Link>
        <header className="request-head">
          <Avatar name={r.who} />
          <div>
            <p><b>{plain(r.who)}</b>{facts.data?.person ? <span className="muted"> {facts.data.person}</span> : null}</p>
            <p className="muted">asked <Ago at={r.asked} /> ago{r.from ? `, by ${r.from}` : ""} {pending ? null : <Status of={r.status} />}</p>
          </div>
        </header>
        <h2 className="request-title">{plain(r.who)} {pending ? "wants" : "asked"} to {plain(r.effect)} on {plain(r.resource)} for {duration(r.for)}.</h2>
        {r.risk ? <p><Risk of={r.risk} />{r.risk === "high" ? <span className="muted small">{pending ? "It starts ten seconds after the approval, which can be undone until then." : "It started no sooner than ten seconds after its approval."}</span> : null}</p> : null}
        <p className="muted">Role <code>{r.role}</code>.{r.extends ? " It is more time for a grant that lives." : ""}</p>
        {r.dangers?.length ? <ul className="dangers">{r.dangers.map((d, i) => <li key={i}>{plain(d)}</li>)}</ul> : null}
        {r.reason ? <Quote text={r.reason} /> : null}
        <div className="two">
          <section className="card" aria-labelledby="card-found">
            <h3 id="card-found">What the policy found</h3>
            <ul className="checks">
              {shown.map((c, i) => <li key={i} className="yes">{plain(sayCheck(c))}</li>)}
              {r.workflow ? <li className="yes">for {plain(r.workflow)}</li> : null}
              {r.votes?.map((v, i) => <li key={`v${i}`} className="yes">{plain(v.by)} approved, {clock(v.at)}{v.passkey ? " by passkey" : " by passphrase"}{v.for !== r.for ? `, for ${duration(v.for)}` : ""}</li>)}
              {pending ? (
                <li className="wait"><Waits for={r.waiting ?? []} you={r.may_decide} name={me.data?.name ?? ""} /></li>
              ) : null}
            </ul>
            {pending && r.takes?.length ? <p className="muted small">It takes that {r.takes.map(plain).join(", and that ")}{r.votes?.length ? `; ${r.votes.length === 1 ? "one person has" : `${r.votes.length} people have`} so far` : "; nobody has yet"}.</p> : null}
            {usual.length ? (
              <details><summary>and {usual.length} more that hold</summary><ul className="checks">{usual.map((c, i) => <li key={i} className="yes">{plain(sayCheck(c))}</li>)}</ul></details>
            ) : null}
            {r.sentence ? <p className="muted small">{plain(r.sentence)}</p> : null}
          </section>
          <section className="card" aria-labelledby="card-usual">
            <h3 id="card-usual">What usually happens</h3>
            {facts.data ? (
              <ul className="checks">{facts.data.facts?.map((f, i) => <li key={i} className={f.warn ? "odd" : "yes"}>{plain(f.text)}</li>)}</ul>
            ) : <p className="muted">{facts.error ? "It cannot be said now." : " "}</p>}
          </section>
        </div>
        <When request={r} own={own} />
        {r.recorded ? (
          <section className="card" aria-labelledby="card-record"><h3 id="card-record">What is kept of it</h3><p className="muted">{plain(r.recorded)} {pending && !own ? `${plain(firstName(r.who))} is told your answer, in your words. ` : ""}{pending ? "An approval" : "The answer"} is for exactly what is shown here: <code className="digest">{r.digest.slice(0, 16)}</code></p></section>
        ) : null}
        {!pending && r.decided_by ? (
          <section className="card"><h3>Decided</h3><p>{r.status === "approved" ? "Approved by " : r.status === "denied" ? "Denied by " : ""}{plain(r.decided_by)}{r.answer ? <>: <bdi>“{plain(r.answer)}”</bdi></> : null}</p>{r.grant && (me.data?.admin || me.data?.auditor) ? <Link to="/audit" search={{ q: `grant:${r.grant}` }} className="small">what became of it</Link> : null}</section>
        ) : null}
      </div>
      {pending ? (
        <footer className="request-acts">
          {r.may_decide ? <Decide request={r} act={act} /> : own ? (
            <Button busy={withdraw.isPending} onClick={() => void withdraw.mutateAsync(r.id).then(() => say("Withdrawn."), failed("It could not be withdrawn."))}>Withdraw</Button>
          ) : <p className="muted">You do not decide this: {r.why_not ?? "it is for others."}</p>}
        </footer>
      ) : own && r.status !== "approved" ? (
        <footer className="request-acts"><Link to="/access" search={{ ask: `${r.role}@${r.resource}`, from: r.id }} className="button plain"><span>Ask again…</span></Link></footer>
      ) : null}
    </article>
  );
}

/** Whose answer is awaited; of oneself it says "you". */
function Waits({ for: all, you, name }: { for: string[]; you: boolean; name: string }) {
  const others = all.filter((w) => !you || w !== name).map(plain);
  if (you) return <><b>Waiting for you</b>{others.length ? ` or ${others.join(" or ")}` : ""}</>;
  return <><b>Waiting</b>{others.length ? `: ${others.join(" or ")}` : ""}</>;
}

const firstName = (name: string): string => name.split(" ")[0] ?? name;

const risks: Record<string, "good" | "lamp" | "bad"> = { low: "good", medium: "lamp", high: "bad" };

/** How dangerous the policy says it is. */
export function Risk({ of }: { of: string }) {
  return <Badge tone={risks[of] ?? "plain"}>{of} risk</Badge>;
}

/** The day, when it is open, what is asked of it, and now. */
function When({ request: r, own }: { request: Request; own: boolean }) {
  const now = useNow();
  const d = millis(r.for);
  const start = r.start ? Math.max(Date.parse(r.start), now) : now;
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const at = (t: number): number => Math.min(100, Math.max(0, ((t - midnight) / 86_400_000) * 100));
  const pending = r.status === "pending";
  const part = (s: { from: string; to: string }): { x: number; width: number } => ({ x: at(Date.parse(s.from)), width: at(Date.parse(s.to)) - at(Date.parse(s.from)) });
  const today = (all: { from: string; to: string }[] | null | undefined): { from: string; to: string }[] => (all ?? []).filter((s) => part(s).width > 0);
  const open = today(r.open);
  const frozen = today(r.frozen);
  const hours = (s: { from: string; to: string }): string => `${at(Date.parse(s.from)) === 0 ? "00:00" : clock(s.from)} to ${at(Date.parse(s.to)) === 100 ? "24:00" : clock(s.to)}`;
  const undo = r.risk === "high" && (r.takes?.length ?? 0) > 0;
  return (
    <section className="card" aria-labelledby="card-when">
      <h3 id="card-when">When</h3>
      {pending ? (
        <svg className="day" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden focusable="false">
          <rect className="day-rest" width="100" height="10" />
          {open.map((s) => <rect key={s.from} className="day-open" {...part(s)} height="10" />)}
          {frozen.map((s) => <rect key={s.from} className="day-frozen" {...part(s)} height="10" />)}
          <rect className="day-asked" x={at(start)} width={Math.max(0.8, at(start + d) - at(start))} y="1.5" height="7" />
          <rect className="day-now" x={at(now)} width="0.25" height="10" />
        </svg>
      ) : null}
      {pending ? <div className="day-hours tiny muted num" aria-hidden><span>00:00</span><span>06:00</span><span>12:00</span><span>18:00</span><span>24:00</span></div> : null}
      {pending ? (
        <p className="muted">
          {r.open?.length ? <>Today the policy is {open.length ? `open from ${open.map(hours).join(" and ")}` : "not open"}{frozen.length ? `, and frozen from ${frozen.map(hours).join(" and ")}` : ""}. </> : null}
          {r.start ? `Starts ${clock(r.start)}` : own ? "Starts when it is approved" : undo ? "Starts 10 s after you approve" : "Starts when you approve"}. Ends <b className="strong num">{clock(new Date(start + d))}</b>, then the session is cut{r.account === "leased" ? " and the temporary account is dropped" : ""}. This request lapses at {clock(r.lapses)} if nobody answers.
        </p>
      ) : <p className="muted">Asked for {duration(r.for)}, at {clock(r.asked)}.{r.status === "lapsed" ? ` Nobody had answered by ${clock(r.lapses)}.` : ""}</p>}
    </section>
  );
}

/** How long a grant of high risk waits for its start, in ms (0048). */
const riskWait = 10_000;

const refusals = ["Not now", "A smaller role does it", "Talk to me first"];

/** Approve for so long, approve and watch, or deny. */
function Decide({ request: r, act }: { request: Request; act: string | undefined }) {
  const go = useNavigate();
  const facts = useFacts(r.id);
  const [time, setTime] = useState(r.for);
  const [doing, setDoing] = useState<"" | "approve" | "watch" | "deny">("");
  useEffect(() => { // what was chosen elsewhere to be done with it
    if (act === "approve" || act === "deny") setDoing(act);
    if (act) void go({ to: "/requests", search: (s: Record<string, string | undefined>) => ({ ...s, do: undefined }), replace: true });
  }, [act]);
  const approve = useAct(acts.approve);
  const deny = useAct(acts.deny);
  const revoke = useAct(acts.revoke);
  const usual = facts.data?.usual;
  const options: { value: string; note: string }[] = [];
  for (const o of [{ value: "15m0s", note: "" }, ...(usual ? [{ value: usual, note: "usual" }] : []), { value: r.for, note: "asked" }]) {
    if (millis(o.value) <= millis(r.for) && !options.some((x) => millis(x.value) === millis(o.value))) options.push(o);
    else if (o.note === "asked") options.forEach((x) => { if (millis(x.value) === millis(o.value)) x.note = "asked"; });
  }
  const keys = useMemo(() => ({ a: () => setDoing("approve"), d: () => setDoing("deny") }), []);
  useKeys(keys);

  const yes = (passphrase: string): Promise<void> =>
    approve.mutateAsync({ id: r.id, digest: r.digest, passphrase, ...(time === r.for ? {} : { for: time }) }).then((x) => {
      const grant = x.grant;
      const waits = r.risk === "high" && !r.extends;
      const starts = Date.now() + riskWait;
      say(x.status === "approved" ? `${r.who} may use ${r.role} on ${r.resource} for ${duration(time)}${waits ? ", in ten seconds" : ""}.` : "Your approval counts; it takes more.", {
        description: grant && r.extends ? "Undo ends the whole grant." : undefined,
        undo: grant ? () => void revoke.mutateAsync({ id: grant, why: "the approval was undone" }).then(
          () => say(waits && Date.now() < starts ? "Undone: it has not started." : "Undone: it has ended."),
          failed("It could not be undone."),
        ) : undefined,
      });
      if (doing === "watch" && grant) void go({ to: "/live", search: { grant } });
    });

  return (
    <>
      <Button kind="main" hint="A" onClick={() => setDoing("approve")}>Approve for {duration(time)}</Button>
      {options.length > 1 ? (
        <div className="segments" role="group" aria-label="For how long">
          {options.map((o) => (
            <button type="button" key={o.value} className="segment-button" aria-pressed={millis(time) === millis(o.value)} onClick={() => setTime(o.value)}>
              {span(millis(o.value))}{o.note ? <small>{o.note}</small> : null}
            </button>
          ))}
        </div>
      ) : null}
      <Button onClick={() => setDoing("watch")}>Approve and watch</Button>
      <Button kind="bad" className="push" hint="D" onClick={() => setDoing("deny")}>Deny…</Button>
      <Sure open={doing === "approve" || doing === "watch"} onClose={() => setDoing("")} title={`Approve for ${duration(time)}?`} verb="Approve" passphrase run={({ passphrase }) => yes(passphrase)}>
        <p>{plain(r.title)}</p>
        {doing === "watch" ? <p className="muted small">Their session opens before you as soon as it begins.</p> : null}
      </Sure>
      <Sure open={doing === "deny"} onClose={() => setDoing("")} title={`Deny ${r.who}?`} verb="Deny" bad passphrase askWhy reasons={refusals}
        run={({ why, passphrase }) => deny.mutateAsync({ id: r.id, why, passphrase }).then(() => say(`Denied. ${r.who} is told.`))} />
    </>
  );
}
