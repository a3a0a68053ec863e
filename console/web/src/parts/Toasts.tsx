import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { plain } from "./format";

/** What was done, said once, with the way back where there is one. */
export const toasts = Toast.createToastManager();

/** How long something can be undone, in ms. */
const undoable = 10_000;

type Way = { back: () => void; until: number; id: string };
let ways: Way[] = [];

function go(way: Way): void {
  ways = ways.filter((w) => w !== way);
  toasts.close(way.id);
  way.back();
}

/** Undoes what was done last, while it can be; false: there is nothing. */
export function undoLast(): boolean {
  ways = ways.filter((w) => Date.now() < w.until);
  const way = ways.at(-1);
  if (way) go(way);
  return !!way;
}

export function say(title: string, more: { description?: string | undefined; undo?: () => void; bad?: boolean } = {}): void {
  const way: Way | undefined = more.undo && { back: more.undo, until: Date.now() + undoable, id: "" };
  const id = toasts.add({
    title: plain(title),
    description: more.description && plain(more.description),
    timeout: more.undo ? undoable : 6000,
    priority: more.bad ? "high" : "low",
    type: more.bad ? "bad" : "plain",
    actionProps: way ? { children: <>Undo <kbd aria-hidden>U</kbd></>, onClick: () => go(way) } : undefined,
  });
  if (way) {
    way.id = id;
    ways.push(way);
  }
}

/** Says that something could not be done, and why. */
export const failed = (title: string) => (e: unknown): void => say(title, { description: e instanceof Error ? e.message : undefined, bad: true });

/** For a failure that is shown where it was asked for. */
export const unsaid = (): void => undefined;

function List() {
  const { toasts: all } = Toast.useToastManager();
  return all.map((t) => (
    <Toast.Root key={t.id} toast={t} className={`toast ${t.type ?? ""}`}>
      <div>
        <Toast.Title className="toast-title" />
        <Toast.Description className="muted small" />
      </div>
      {t.actionProps ? <Toast.Action className="button plain" /> : null}
      <Toast.Close className="icon-button" aria-label="Dismiss"><X size={16} aria-hidden /></Toast.Close>
    </Toast.Root>
  ));
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={toasts}>
      <Toast.Portal>
        <Toast.Viewport className="toasts"><List /></Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}
