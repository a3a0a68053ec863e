import { CircleAlert, Inbox, Lock, WifiOff } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Failure } from "../api/client";
import { Copy } from "./Copy";

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

/** What went wrong, why, what to do, and the reference by which it is found again. */
export function Fault({ error, retry, inline }: { error: unknown; retry?: () => void; inline?: boolean }) {
  const f = error instanceof Failure ? error : null;
  const Icon = f?.offline ? WifiOff : f?.status === 403 ? Lock : CircleAlert;
  return (
    <div className={inline ? "fault inline" : "state fault"} role="alert">
      <Icon size={inline ? 16 : 28} aria-hidden />
      <div>
        <p className="state-title">{f ? f.message : "Something went wrong on this page."}</p>
        {f?.detail && f.detail !== f.message ? <p>{f.detail}</p> : null}
        {!f && error instanceof Error ? <p className="muted">{error.message}</p> : null}
        {f?.fix.map((x, i) => (
          <div key={i}>
            {x.say ? <p>{x.say}</p> : null}
            {x.run ? <Copy text={x.run} /> : null}
          </div>
        ))}
        {f?.reference ? <p className="muted tiny">Reference {f.reference}</p> : null}
        {retry ? <button type="button" className="button plain" onClick={retry}><span>Try again</span></button> : null}
      </div>
    </div>
  );
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
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.isPending && !of.error) return <Loading lines={lines} />;
  return <Fault error={of.error} retry={() => of.refetch()} />;
}
