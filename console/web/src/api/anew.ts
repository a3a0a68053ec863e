import type { Query, QueryClient, QueryFilters } from "@tanstack/react-query";

/** Queries that are asked once, by hand, and noted: nothing that happens has them asked again. */
export const once = { once: true };
const moves = (q: Query): boolean => !q.meta?.once;

/** What is shown of a topic, or of everything. */
export const shown = (client: QueryClient, topic?: string): Query[] =>
  client.getQueryCache().findAll({ ...(topic ? { queryKey: [topic] } : {}), predicate: moves });

/**
 * Reads again what is shown. What is awaited for the first time may have been answered before
 * what happened now: it is shown when it comes, and read once more.
 */
export async function anew(client: QueryClient, of: QueryFilters = {}): Promise<void> {
  const awaited = new Set(client.getQueryCache().findAll({ ...of, fetchStatus: "fetching", predicate: moves }).filter((q) => q.state.data === undefined));
  await client.invalidateQueries({ ...of, predicate: moves });
  if (awaited.size) await client.invalidateQueries({ predicate: (q) => awaited.has(q) });
}
