import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { acts, useAct, useMe, usePeople, type Person } from "../api/queries";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { clock, plain } from "../parts/format";
import { useFilter } from "../parts/filter";
import { Many } from "../parts/Many";
import { Empty, Fault, Show } from "../parts/States";
import { Sure } from "../parts/Sure";
import { say } from "../parts/Toasts";
import { Avatar, Badge } from "../parts/Who";

/** Who there is. */
export function People() {
  const me = useMe();
  const people = usePeople();
  const [q, setQ] = useFilter();
  const [inviting, setInviting] = useState(false);
  const [disabling, setDisabling] = useState<Person | null>(null);
  const disable = useAct(acts.disable);
  const admin = !!me.data?.admin;
  return (
    <div className="page wide">
      <header className="page-head"><h1>People &amp; agents</h1>{admin ? <Button kind="main" onClick={() => setInviting(true)}>Invite…</Button> : null}</header>
      <input className="filter" type="search" data-filter aria-label="Filter people" placeholder="Name or group" value={q} onChange={(e) => setQ(e.target.value)} />
      <Show of={people}>
        {(all) => {
          const items = (all.items ?? []).filter((p) => q.toLowerCase().split(/\s+/).every((w) => `${p.name} ${p.email ?? ""} ${p.groups?.join(" ") ?? ""}`.toLowerCase().includes(w)));
          return items.length ? (
            <Many items={items} className="rows" id={(p) => p.id} each={(p) => (
                <div className="row">
                  <Avatar name={p.name} small />
                  <span className="row-main"><b>{plain(p.name)}</b> {p.email ? <span className="muted">{plain(p.email)}</span> : null}<br />{p.groups?.map((g) => <Badge key={g}>{g}</Badge>)} {!p.enabled ? <Badge tone="bad">disabled</Badge> : !p.joined ? <Badge tone="lamp">has not signed in yet</Badge> : null}</span>
                  <Link data-item to="/map" search={{ person: p.id }} className="small nowrap">what they reach</Link>
                  {admin && p.enabled && p.id !== me.data?.id ? <Button kind="bad" onClick={() => setDisabling(p)}>Disable…</Button> : null}
                </div>
            )} />
          ) : <Empty title={q ? "Nobody is called that." : "Nobody is here yet."} />;
        }}
      </Show>
      <Invite open={inviting} onClose={() => setInviting(false)} />
      <Sure open={!!disabling} onClose={() => setDisabling(null)} title={`Disable ${disabling?.name ?? ""}?`} verb="Disable" bad run={() => disable.mutateAsync(disabling!.id).then(() => say(`${disabling?.name} is disabled: everything they had has ended.`))}>
        <p>Every grant and session of theirs ends at once, and they cannot sign in.</p>
      </Sure>
    </div>
  );
}

function Invite({ open, onClose }: { open: boolean; onClose: () => void }) {
  const me = useMe();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [phrase, setPhrase] = useState("");
  const invite = useAct(acts.invite);
  const done = (): void => {
    if (invite.isPending) return; // its link is shown once
    setEmail("");
    setName("");
    setPhrase("");
    invite.reset();
    onClose();
  };
  return (
    <Dialog open={open} onClose={done} title="Invite somebody">
      {invite.data ? (
        <div className="form">
          <p>Give {plain(invite.data.person.name)} this link by a safe way. It is good once, until {clock(invite.data.until)}.</p>
          <Copy text={invite.data.link} />
          <div className="dialog-acts"><Button kind="main" onClick={done}>Done</Button></div>
        </div>
      ) : (
        <form className="form" onSubmit={(e) => { e.preventDefault(); invite.mutate({ email, name: name || undefined, passphrase: phrase }, { onSettled: () => setPhrase("") }); }}>
          <label className="field"><span>E-mail address</span><input type="email" required value={email} onChange={(e) => setEmail(e.target.value)} /></label>
          <label className="field"><span>Name</span><input maxLength={128} value={name} onChange={(e) => setName(e.target.value)} /></label>
          {me.data?.passkey ? <p className="muted">You touch your passkey for exactly this.</p> : <label className="field"><span>Your passphrase</span><input type="password" required autoComplete="current-password" value={phrase} onChange={(e) => setPhrase(e.target.value)} /></label>}
          {invite.error ? <Fault error={invite.error} inline /> : null}
          <div className="dialog-acts"><Button onClick={done}>Back</Button><Button type="submit" kind="main" busy={invite.isPending}>Make the link</Button></div>
        </form>
      )}
    </Dialog>
  );
}
