import { useEffect, useRef, useState, type ReactNode } from "react";
import { Button } from "./Button";

const first = 60;
const step = 240;

/** A list of which only what has been scrolled to is on the page: ten thousand are no heavier than sixty. */
export function Many<T>({ items, className, each, id }: { items: T[]; className: string; each: (item: T, i: number) => ReactNode; id: (item: T) => string }) {
  const [n, setN] = useState(first);
  const end = useRef<HTMLDivElement>(null);
  const more = items.length > n;
  useEffect(() => {
    const e = end.current;
    if (!e || !more) return;
    const o = new IntersectionObserver((seen) => { if (seen.some((x) => x.isIntersecting)) setN((v) => v + step); }, { rootMargin: "600px" });
    o.observe(e);
    return () => o.disconnect();
  }, [more, n]);
  return (
    <>
      <ul className={className}>{items.slice(0, n).map((x, i) => <li key={id(x)}>{each(x, i)}</li>)}</ul>
      {more ? <div ref={end} className="acts"><span className="muted small">{Math.min(n, items.length).toLocaleString()} of {items.length.toLocaleString()}</span><Button onClick={() => setN((v) => v + step)}>Show more</Button></div> : null}
    </>
  );
}
