import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

/** How long after the last key the address follows, in ms. */
const rest = 250;

/** What a page's list is narrowed by: at once, and soon in the address, where every filter stands. */
export function useFilter(): [string, (q: string) => void] {
  const { q: there = "" }: { q?: string } = useSearch({ strict: false });
  const go = useNavigate();
  const [q, set] = useState(there);
  const written = useRef(there); // what the address has by us
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (there === written.current) return;
    written.current = there;
    set(there);
  }, [there]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [q, (next) => {
    set(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      written.current = next;
      void go({ to: ".", search: ((s: Record<string, string | undefined>) => ({ ...s, q: next || undefined })) as never, replace: true });
    }, rest);
  }];
}
