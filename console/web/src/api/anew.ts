import type { QueryClient, QueryFilters } from "@tanstack/react-query";

/**
 * Reads again what is shown. What is awaited for the first time may have been answered before
 * what happened now: it is shown when it comes, and read once more.
 */
export async function anew(client: QueryClient, of: QueryFilters = {}): Promise<void> {
  const awaited = new Set(client.getQueryCache().findAll({ ...of, fetchStatus: "fetching" }).filter((q) => q.state.data === undefined));
  await client.invalidateQueries(of);
  if (awaited.size) await client.invalidateQueries({ predicate: (q) => awaited.has(q) });
}
