import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";

/** What was done, said once, with the way back where there is one. */
export const toasts = Toast.createToastManager();

export function say(title: string, more: { description?: string; undo?: () => void; bad?: boolean } = {}): void {
  toasts.add({
    title,
    description: more.description,
    timeout: more.undo ? 10_000 : 6000,
    priority: more.bad ? "high" : "low",
    type: more.bad ? "bad" : "plain",
    actionProps: more.undo ? { children: "Undo", onClick: more.undo } : undefined,
  });
}

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
