import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { get, signIn, type Schemas } from "../api/client";
import { acts, useAct, useMe } from "../api/queries";
import { Button } from "../parts/Button";
import { clock, plain } from "../parts/format";
import { keysOff, setKeysOff } from "../parts/keys";
import { Passkeys } from "../parts/Passkeys";
import { Fault, Show } from "../parts/States";
import { Sure } from "../parts/Sure";
import { Badge } from "../parts/Who";

/** What is one's own, and how this gateway is. */
export function Settings() {
  const me = useMe();
  const [theme, setTheme] = useState(localStorage.getItem("curfew.theme") ?? "");
  const [off, setOff] = useState(keysOff());
  const [out, setOut] = useState(false);
  const everywhere = useAct(acts.signOutEverywhere);
  const retention = useQuery({ queryKey: ["config", "retention"], queryFn: ({ signal }) => get<Schemas["Retention"]>("/retention", undefined, signal) });
  const doctor = useQuery({ queryKey: ["doctor"], queryFn: ({ signal }) => get<{ items: Schemas["Finding"][] | null }>("/doctor", undefined, signal), enabled: !!me.data?.admin, staleTime: 30_000 });
  return (
    <div className="page">
      <h1>Settings</h1>
      <section aria-labelledby="set-you">
        <h2 id="set-you">You</h2>
        <Show of={me} lines={2}>
          {(m) => (
            <>
              <p><b>{plain(m.name)}</b> <span className="muted">{plain(m.email ?? "")}</span> {m.admin ? <Badge>administrator</Badge> : null} {m.auditor ? <Badge>auditor</Badge> : null}</p>
              <p className="muted">Signed in to {m.deployment} until {clock(m.until)}.</p>
              <div className="acts"><a className="button plain" href="/account"><span>Where you are signed in, and sign out</span></a><Button kind="bad" onClick={() => setOut(true)}>Sign out everywhere…</Button></div>
            </>
          )}
        </Show>
      </section>
      <section aria-labelledby="set-keys"><h2 id="set-keys">Passkeys</h2><Passkeys /></section>
      <section aria-labelledby="set-page">
        <h2 id="set-page">This page</h2>
        <fieldset className="times">
          <legend>Theme</legend>
          <div className="segments">
            {[["", "as the system"], ["light", "light"], ["dark", "dark"]].map(([v, name]) => (
              <label key={v} className="segment"><input type="radio" name="theme" checked={theme === v} onChange={() => {
                setTheme(v!);
                if (v) { localStorage.setItem("curfew.theme", v); document.documentElement.dataset.theme = v; } else { localStorage.removeItem("curfew.theme"); delete document.documentElement.dataset.theme; }
              }} /><span>{name}</span></label>
            ))}
          </div>
        </fieldset>
        <label className="check"><input type="checkbox" checked={!off} onChange={(e) => { setKeysOff(!e.target.checked); setOff(!e.target.checked); }} /> Single keys do things (a, d, x, j, k, g r …)</label>
        <p className="muted small">Times are those of this computer: {Intl.DateTimeFormat().resolvedOptions().timeZone}.</p>
      </section>
      <section aria-labelledby="set-keep"><h2 id="set-keep">Recordings</h2><Show of={retention} lines={1}>{(r) => <p>{plain(r.sentence)}</p>}</Show></section>
      {me.data?.admin ? (
        <section aria-labelledby="set-doctor">
          <h2 id="set-doctor">How the gateway is</h2>
          {doctor.error ? <Fault error={doctor.error} retry={() => doctor.refetch()} inline /> : (
            <ul className="checks">{doctor.data?.items?.map((f, i) => <li key={i} className={f.ok ? (f.warn ? "odd" : "yes") : "no"}><b>{plain(f.what)}</b> {plain(f.text)}{f.fix ? <><br /><span className="muted">{plain(f.fix)}</span></> : null}</li>)}</ul>
          )}
        </section>
      ) : null}
      <Sure open={out} onClose={() => setOut(false)} title="Sign out everywhere?" verb="Sign out" bad run={() => everywhere.mutateAsync(undefined as never).then(() => signIn())}>
        <p>Every browser, terminal and connection credential of yours stops counting, this one too.</p>
      </Sure>
    </div>
  );
}
