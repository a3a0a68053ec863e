import { useQuery } from "@tanstack/react-query";
import { get, type Schemas } from "./client";

export type Facts = Schemas["Facts"];

/** What is known about a request besides what it says. */
export const useFacts = (id: string) =>
  useQuery({ queryKey: ["requests", "facts", id], queryFn: ({ signal }) => get<Facts>(`/requests/${encodeURIComponent(id)}/facts`, undefined, signal), staleTime: 30_000 });
