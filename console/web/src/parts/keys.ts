import { useEffect } from "react";

const off = "curfew.keys.off";

/** Single-key shortcuts can be switched off (WCAG 2.1.4). */
export const keysOff = (): boolean => localStorage.getItem(off) === "1";
export const setKeysOff = (v: boolean): void => {
  if (v) localStorage.setItem(off, "1");
  else localStorage.removeItem(off);
};

const typing = (t: EventTarget | null): boolean =>
  t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName));

let last = "";
let at = 0;
/** The key before the one that is being handled, if that was just now. */
let before = "";

// Before every handler, each key finds the one before it.
if (typeof window !== "undefined") {
  addEventListener("keydown", (e) => {
    if (/^(Shift|Control|Alt|Meta)$/.test(e.key)) return;
    const now = performance.now();
    before = now - at < 1500 ? last : "";
    last = typing(e.target) || e.ctrlKey || e.metaKey ? "" : e.key;
    at = now;
  }, true);
}

/**
 * Calls what belongs to a key: "a", "g r" (one after the other), "?", "ctrl+k".
 * Keys do nothing while somebody types or a dialog is open, except those with ctrl. A key
 * that has nothing to do here returns false: it is left to whoever else knows it.
 */
export function useKeys(map: Record<string, () => unknown>, on = true): void {
  useEffect(() => {
    if (!on) return;
    const down = (e: KeyboardEvent): void => {
      if (e.defaultPrevented || e.altKey || e.isComposing) return;
      if (e.ctrlKey || e.metaKey) {
        const f = map[`ctrl+${e.key.toLowerCase()}`];
        if (f) {
          e.preventDefault();
          f();
        }
        return;
      }
      if (keysOff() || typing(e.target) || document.querySelector('[role="dialog"]:not(.toast),[role="alertdialog"]:not(.toast),[role="menu"]')) return;
      const two = before ? map[`${before} ${e.key}`] : undefined;
      const f = two ?? map[e.key];
      if (f && f() !== false) e.preventDefault();
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [map, on]);
}
