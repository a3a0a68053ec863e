import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { useMe, useOffers, usePeople, useRequests, useResources, useSessions } from "../api/queries";
import { plain } from "./format";
import { useFocus } from "./focus";
import { placesOf } from "./places";

type Entry = { value: string; label: string; hint: string; to: string };

/** Go anywhere, do anything: Ctrl-K. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  const focus = useFocus(open);
  const gone = useRef(false); // to what was picked: the focus goes there, not back
  if (open) gone.current = false;
  return (
    <Dialog.Root open={open} onOpenChange={(o) => { if (!o) onClose(); }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup {...focus} finalFocus={() => (gone.current ? false : focus.finalFocus())} className="palette" aria-label="Search or do">{open ? <Inside onClose={onClose} onGo={() => { gone.current = true; }} /> : null}</Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Inside({ onClose, onGo }: { onClose: () => void; onGo: () => void }) {
  const go = useNavigate();
  const [text, setText] = useState("");
  const review = useRequests("review");
  const offers = useOffers();
  const sessions = useSessions("all", { status: "live" });
  const resources = useResources();
  const people = usePeople();
  const me = useMe().data;
  const entries = useMemo<Entry[]>(() => [
    ...placesOf(!!(me?.admin || me?.auditor)).map((p) => ({ value: `go ${p.to}`, label: `Go to ${p.name}`, hint: p.key ? `g ${p.key}` : "", to: p.to })),
    ...(review.data?.items ?? []).flatMap((r) => [["Review", ""], ["Approve", "&do=approve"], ["Deny", "&do=deny"]].map(([verb, act]) => ({ value: `${verb} ${r.id}`, label: `${verb} ${plain(r.who)}: ${r.role} on ${r.resource}`, hint: "request", to: `/requests?id=${r.id}${act}` }))),
    ...(offers.data?.items ?? []).map((o) => ({ value: `${o.role} ${o.resource}`, label: `Ask for ${o.role} on ${o.resource}`, hint: o.effect, to: `/access?ask=${encodeURIComponent(`${o.role}@${o.resource}`)}` })),
    ...(sessions.data?.items ?? []).map((s) => ({ value: s.id, label: `Watch ${plain(s.who)} on ${s.resource}`, hint: "live", to: `/sessions/${s.id}` })),
    ...(sessions.data?.items ?? []).filter((s) => s.may_cut).map((s) => ({ value: `cut ${s.id}`, label: `Cut ${plain(s.who)} on ${s.resource}`, hint: "live", to: `/sessions/${s.id}?do=cut` })),
    ...(resources.data?.items ?? []).map((r) => ({ value: `who ${r.name}`, label: `Who can reach ${r.name}?`, hint: r.type, to: `/map?resource=${encodeURIComponent(r.name)}` })),
    ...(people.data?.items ?? []).map((p) => ({ value: `what ${p.id}`, label: `What can ${plain(p.name)} reach?`, hint: "person", to: `/map?person=${encodeURIComponent(p.id)}` })),
    ...(text.trim() ? [{ value: "find", label: `Search recordings for “${text.trim()}”`, hint: "sessions", to: `/sessions?words=${encodeURIComponent(text.trim())}` }] : []),
  ], [review.data, offers.data, sessions.data, resources.data, people.data, text, me]);

  const pick = (e: Entry): void => {
    onGo();
    onClose();
    void go({ to: e.to });
  };
  return (
    <Autocomplete.Root items={entries} open inline value={text} onValueChange={setText} itemToStringValue={(e: Entry) => e.label} autoHighlight="always"
      filter={(e: Entry, q: string) => e.value === "find" || q.toLowerCase().split(/\s+/).every((w) => `${e.label} ${e.hint}`.toLowerCase().includes(w))}>
      <Autocomplete.Input className="palette-input" placeholder="Search or do…" aria-label="Search or do" />
      <Autocomplete.Empty><p className="muted palette-empty">Nothing is called that.</p></Autocomplete.Empty>
      <Autocomplete.List className="palette-list">
        {(e: Entry) => (
          <Autocomplete.Item key={e.value} value={e} className="palette-item" onClick={() => pick(e)}>
            <span className="cut-text">{e.label}</span>
            <span className="muted small cut-text">{e.hint}</span>
          </Autocomplete.Item>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
}
