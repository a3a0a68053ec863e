import { useEffect, useState } from "react";

/** How long a page may be out of sight before it gives its streams up, in ms: a browser opens few to one place. */
export const away = 10_000;

/** Whether somebody can see this page, or could a moment ago. */
export function useSeen(): boolean {
  const [seen, set] = useState(!document.hidden);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => set(false), away);
      else set(true);
    };
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(timer);
    };
  }, []);
  return seen;
}
