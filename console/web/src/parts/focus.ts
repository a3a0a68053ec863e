import { useCallback, useEffect, useRef } from "react";

type Focus = { ref: (popup: HTMLDivElement | null) => void; initialFocus: () => HTMLElement | true; finalFocus: () => HTMLElement | boolean };

const firstOf = (popup: HTMLElement | null): HTMLElement | null =>
  popup?.querySelector<HTMLElement>("[data-first]") ?? popup?.querySelector<HTMLElement>("input, textarea, select") ?? null;

/**
 * Where the focus goes in a dialog, and behind it: to what is marked data-first, or its first
 * field, in the moment in which it is there, so that nothing is lost that is typed at once; then
 * back to what opened it, or to the page where that is gone.
 */
export function useFocus(open: boolean): Focus {
  const popup = useRef<HTMLDivElement | null>(null);
  const opener = useRef<Element | null>(null);
  const was = useRef(false);
  if (open && !was.current) opener.current = document.activeElement;
  was.current = open;
  const ref = useCallback((n: HTMLDivElement | null) => {
    popup.current = n;
    firstOf(n)?.focus({ preventScroll: true });
  }, []);
  // While another dialog is on its way out nothing else can have the focus: then it is given once that is gone.
  useEffect(() => {
    if (!open) return;
    let n = 0;
    const timer = setInterval(() => {
      if (popup.current && !popup.current.contains(document.activeElement)) firstOf(popup.current)?.focus({ preventScroll: true });
      if (++n === 12) clearInterval(timer);
    }, 50);
    return () => clearInterval(timer);
  }, [open]);
  return {
    ref,
    initialFocus: () => firstOf(popup.current) ?? true,
    finalFocus: () => {
      if ([...document.querySelectorAll(".dialog,.palette")].some((d) => d !== popup.current)) return false; // the next one has it
      const o = opener.current;
      return o instanceof HTMLElement && o.isConnected && o !== document.body ? o : (document.getElementById("main") ?? true);
    },
  };
}
