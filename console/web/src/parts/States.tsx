import { CircleAlert, Inbox, Lock, WifiOff } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Failure } from "../api/client";
import { lastKnown, useLink } from "../api/feed";
import { usePeople } from "../api/queries";
import { Copy } from "./Copy";
import { clock, duration, plain } from "./format";

/** Nothing is here; run fills it. */
export function Empty({ title, children, run }: { title: string; children?: ReactNode; run?: string }) {
  return (
    <div className="state">
      <Inbox size={28} aria-hidden />
      <p className="state-title">{title}</p>
      {children ? <p className="muted">{children}</p> : null}
      {run ? <Copy text={run} /> : null}
    </div>
  );
}

/** What to do, without the flags of the command line: there are none on a page. */
const unflagged = (say: string): string => say.replace(/--for (\S+)/, (flag, d: string) => duration(d) || flag);

/** What went wrong, why, what to do, and the reference by which it is found again. */
export function Fault({ error, retry, inline }: { error: unknown; retry?: () => void; inline?: boolean }) {
  const f = error instanceof Failure ? error : null;
  const Icon = f?.offline ? WifiOff : f?.status === 403 ? Lock : CircleAlert;
  return (
    <div className={inline ? "fault inline" : "state fault"} role="alert">
      <Icon size={inline ? 16 : 28} aria-hidden />
      <div>
        <p className="state-title">{f ? f.message : "Something went wrong on this page."}</p>
        {f?.detail && f.detail.toLowerCase() !== f.message.toLowerCase() ? <p>{f.detail}</p> : null}
        {!f && error instanceof Error ? <p className="muted">{error.message}</p> : null}
        {f?.fix.map((x, i) => (
          <div key={i}>
            {x.say ? <p>{unflagged(x.say)}</p> : null}
            {x.run ? <Copy text={x.run} /> : null}
          </div>
        ))}
        {f?.status === 403 && !inline ? <WhoGives /> : null}
        {f?.reference ? <p className="muted tiny">Reference {f.reference}</p> : null}
        {retry ? <button type="button" className="button plain" onClick={retry}><span>Try again</span></button> : null}
      </div>
    </div>
  );
}

/** Who can give what one has no right to: by name. */
function WhoGives() {
  const people = usePeople();
  const admins = (people.data?.items ?? []).filter((p) => p.enabled && p.groups?.includes("administrators")).map((p) => plain(p.name));
  return <p className="muted">{admins.length ? `${admins.slice(0, 3).join(" or ")} can give it: ${admins.length === 1 ? "an administrator" : "administrators"}.` : "An administrator can give it."}</p>;
}

/** That the gateway does not answer, and of when is what one sees. */
export function Away() {
  const link = useLink();
  return link === "offline" ? <p className="banner" role="status">The gateway does not answer since {clock(new Date(lastKnown()))}. What you see is what was last known; nothing can be decided until it is back.</p> : null;
}

/** Grey lines, only where it takes long enough to be noticed. */
export function Loading({ lines = 4 }: { lines?: number }) {
  const [shown, show] = useState(false);
  useEffect(() => {
    const t = setTimeout(() => show(true), 300);
    return () => clearTimeout(t);
  }, []);
  return (
    <div className="loading" aria-busy="true">
      {shown ? Array.from({ length: lines }, (_, i) => <div key={i} className="bone" />) : null}
    </div>
  );
}

type Read<T> = { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };

/** What was read, or why not. What is known stays while the gateway is away. */
export function Show<T>({ of, children, lines }: { of: Read<T>; children: (data: T) => ReactNode; lines?: number }) {
  if (of.data !== undefined) {
    const again = of.error instanceof Failure && !of.error.offline ? of.error : null;
    return <>{again ? <Fault error={again} retry={() => of.refetch()} inline /> : null}{children(of.data)}</>;
  }
  if (of.isPending && !of.error) return <Loading lines={lines} />;
  return <Fault error={of.error} retry={() => of.refetch()} />;
}
