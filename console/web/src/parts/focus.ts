import { useLayoutEffect, useRef, type RefObject } from "react";

type Focus = { ref: RefObject<HTMLDivElement | null>; initialFocus: () => HTMLElement | true; finalFocus: () => HTMLElement | true };

/**
 * Where the focus goes in a dialog, and behind it: to what is marked data-first, or its first
 * field; then back to what opened it, or to the page where that is gone.
 */
export function useFocus(open: boolean): Focus {
  const ref = useRef<HTMLDivElement>(null);
  const opener = useRef<Element | null>(null);
  useLayoutEffect(() => { if (open) opener.current = document.activeElement; }, [open]);
  return {
    ref,
    initialFocus: () => ref.current?.querySelector<HTMLElement>("[data-first]") ?? ref.current?.querySelector<HTMLElement>("input, textarea, select") ?? true,
    finalFocus: () => (opener.current?.isConnected && opener.current !== document.body ? true : (document.getElementById("main") ?? true)),
  };
}
