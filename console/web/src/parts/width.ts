import { useSyncExternalStore } from "react";

const subscribe = (f: () => void): (() => void) => {
  addEventListener("resize", f);
  return () => removeEventListener("resize", f);
};

/** How wide the window is, in pixels, also after it was turned or drawn. */
export const useWidth = (): number => useSyncExternalStore(subscribe, () => innerWidth);
