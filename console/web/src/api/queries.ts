import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { anew } from "./anew";
import { get, position, post, setPasskey, setToken, type Schemas } from "./client";
import { prove } from "./passkey";

export type Request = Schemas["Request"];
export type Grant = Schemas["Grant"];
export type Session = Schemas["Session"];
export type Offer = Schemas["Offer"];
export type Held = Schemas["Held"];
export type Item = Schemas["Item"];
export type Entry = Schemas["Entry"];
export type Person = Schemas["Person"];
export type Me = Schemas["Me"];
export type Resource = Schemas["Resource"];
export type Role = Schemas["Role"];
export type Policy = Schemas["Policy"];
export type Plan = Schemas["Plan"];
export type Workflow = Schemas["Workflow"];
export type Path = Schemas["Path"];
export type Day = Schemas["Day"];

/** The lists of the API share this shape. */
export type List<T> = { items: T[] | null; position: number; behind?: boolean; next?: string };

/** Topics are the first part of each key: the feed says which of them have changed. */
export type Topic = "audit" | "requests" | "grants" | "sessions" | "statements" | "workflows" | "config" | "people";

type Narrow = Record<string, string | number | undefined>;

/** Whose page this is. */
let whose = "";

export const useMe = () =>
  useQuery({
    queryKey: ["people", "me"],
    queryFn: async ({ signal }) => {
      const me = await get<Me>("/me", undefined, signal);
      if (whose && whose !== me.id) location.reload(); // nothing of another person stays
      whose = me.id;
      setToken(me.csrf ?? "");
      setPasskey(!!me.passkey);
      return me;
    },
    staleTime: 60_000,
  });

function list<T>(topic: Topic, path: string, narrow: Narrow = {}, on = true) {
  return {
    queryKey: [topic, path, narrow],
    queryFn: ({ signal }: { signal: AbortSignal }) => get<List<T>>(path, { ...narrow, position: position() }, signal),
    placeholderData: keepPreviousData,
    enabled: on,
  };
}

export const useRequests = (scope: "mine" | "review" | "all", narrow: Narrow = {}, on = true) => useQuery(list<Request>("requests", "/requests", { scope, ...narrow }, on));
export const useGrants = (scope: "mine" | "all", narrow: Narrow = {}) => useQuery(list<Grant>("grants", "/grants", { scope, ...narrow }));
export const useSessions = (scope: "mine" | "all", narrow: Narrow = {}) => useQuery(list<Session>("sessions", "/sessions", { scope, ...narrow }));
export const useStatements = () => useQuery(list<Held>("statements", "/statements"));
export const useWorkflows = () => useQuery(list<Workflow>("workflows", "/workflows"));
export const useResources = () => useQuery(list<Resource>("config", "/resources"));
export const useRoles = () => useQuery(list<Role>("config", "/roles"));
export const usePolicies = () => useQuery(list<Policy>("config", "/policies"));
export const usePlans = (on: boolean) => useQuery(list<Plan>("config", "/plans", {}, on));
export const usePeople = () => useQuery(list<Person>("people", "/people"));
export const useOffers = () => useQuery({ ...list<Offer>("grants", "/find"), staleTime: 10_000 });

/** Pages of a list, newest first. */
function pages<T>(topic: Topic, path: string, narrow: Narrow, on = true) {
  return {
    queryKey: [topic, "pages", path, narrow],
    queryFn: ({ pageParam, signal }: { pageParam: string; signal: AbortSignal }) =>
      get<List<T>>(path, { ...narrow, before: pageParam || undefined, position: pageParam ? undefined : position() }, signal),
    initialPageParam: "",
    getNextPageParam: (last: List<T>) => last.next || undefined,
    placeholderData: keepPreviousData,
    enabled: on,
  };
}
type Pages = { data?: { pages: unknown[] } | undefined; hasNextPage: boolean; error: unknown };
type Older = Pages & { fetchNextPage: (o: { cancelRefetch: boolean }) => Promise<Pages> };

/** Reads the next page of a list: behind what is being read of it now, and again where that took its place. */
export async function older(list: Older): Promise<void> {
  const n = list.data?.pages.length ?? 0;
  for (let i = 0; i < 5; i++) {
    const now = await list.fetchNextPage({ cancelRefetch: false });
    if ((now.data?.pages.length ?? 0) > n || now.error || !now.hasNextPage) return;
  }
}

export const useRequestPages = (scope: "mine" | "review" | "all", on = true) => useInfiniteQuery(pages<Request>("requests", "/requests", { scope, limit: 200 }, on));
export const useSessionPages = (narrow: Narrow) => useInfiniteQuery(pages<Session>("sessions", "/sessions", { limit: 200, ...narrow }));
export const useAudit = (narrow: Narrow, on: boolean) => useInfiniteQuery(pages<Entry>("audit", "/audit", { limit: 200, ...narrow }, on));

function one<T>(topic: Topic, path: string, id: string | undefined) {
  return { queryKey: [topic, path, id], queryFn: ({ signal }: { signal: AbortSignal }) => get<T>(`${path}/${encodeURIComponent(id ?? "")}`, { position: position() }, signal), enabled: !!id };
}
export const useRequest = (id: string | undefined) => useQuery(one<Request>("requests", "/requests", id));
export const useGrant = (id: string | undefined) => useQuery(one<Grant>("grants", "/grants", id));
export const useSession = (id: string | undefined) => useQuery(one<Session>("sessions", "/sessions", id));

/**
 * Changes something, then looks again at everything: a change is rarely alone. What is to be said
 * of it is said behind mutateAsync: what asked for it may be gone from the page by then.
 */
export function useAct<In, Out>(act: (input: In) => Promise<Out>) {
  const client = useQueryClient();
  return useMutation({ mutationFn: act, onSuccess: () => anew(client) });
}

export const acts = {
  ask: (body: Schemas["Ask"]) => post<Request>("/requests", body),
  approve: ({ id, ...body }: Schemas["Decision"] & { id: string }) => prove<Request>(`/requests/${id}/approve`, body),
  deny: ({ id, ...body }: Schemas["Decision"] & { id: string }) => prove<Request>(`/requests/${id}/deny`, body),
  withdraw: (id: string) => post<Request>(`/requests/${id}/withdraw`),
  extend: ({ id, ...body }: Schemas["More"] & { id: string }) => post<Request>(`/grants/${id}/extend`, body),
  giveBack: (id: string) => post(`/grants/${id}/return`),
  revoke: ({ id, why }: { id: string; why: string }) => post(`/grants/${id}/revoke`, { why }),
  cut: ({ id, why }: { id: string; why: string }) => post(`/sessions/${id}/cut`, { why }),
  release: ({ id, ...body }: Schemas["Decision"] & { id: string }) => prove(`/statements/${id}/release`, body),
  refuse: ({ id, ...body }: Schemas["Decision"] & { id: string }) => prove(`/statements/${id}/refuse`, body),
  agree: ({ id, ...body }: Schemas["Decision"] & { id: string }) => prove(`/plans/${id}/agree`, body),
  drop: ({ id, why }: { id: string; why: string }) => post(`/plans/${id}/drop`, { why }),
  invite: (body: Schemas["Invite"]) => prove<Schemas["Invited"]>("/people/invite", body),
  disable: (id: string) => post(`/people/${id}/disable`),
  openWorkflow: (body: Partial<Workflow>) => post<Workflow>("/workflows", body),
  closeWorkflow: (id: string) => post(`/workflows/${encodeURIComponent(id)}/close`),
  signOutEverywhere: () => post("/sign-out-everywhere"),
};
