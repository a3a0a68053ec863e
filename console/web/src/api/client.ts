import type { components } from "./schema";

/** The types of the API, made from its own description. */
export type Schemas = components["schemas"];
export type Fix = { say?: string; run?: string };

/** A refusal or a fault, in the words of the gateway. */
export class Failure extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly fix: Fix[];
  readonly reference: string;
  constructor(status: number, body: { code?: string; title?: string; detail?: string; fix?: Fix[] | null; request_id?: string }) {
    super(body.title || `The gateway answered ${status}.`);
    this.name = "Failure";
    this.status = status;
    this.code = body.code ?? "";
    this.detail = body.detail ?? "";
    this.fix = body.fix ?? [];
    this.reference = body.request_id ?? "";
  }
  /** The gateway cannot be reached at all. */
  get offline(): boolean {
    return this.status === 0;
  }
}

export const base = "/api/v1";

type Query = Record<string, string | number | boolean | undefined>;

export function address(path: string, query?: Query): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "" && value !== 0) q.set(name, String(value));
  }
  const text = q.toString();
  return base + path + (text ? `?${text}` : "");
}

/** The position of this page's last change: lists that are read after it show it. */
let written = 0;
export function position(): number | undefined {
  return written || undefined;
}
export function note(body: unknown): void {
  const p = (body as { position?: unknown } | null)?.position;
  if (typeof p === "number" && p > written) written = p;
}

/** Tells the gateway that a change comes from this page, and not from another one that has the cookie sent. */
let token = "";
export function setToken(t: string): void {
  token = t;
}

/** Whoever has a passkey decides by its touch. */
let passkey = false;
export function setPasskey(has: boolean): void {
  passkey = has;
}
export const hasPasskey = (): boolean => passkey;

async function send<T>(method: "GET" | "POST", path: string, query: Query | undefined, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
  if (method === "POST") {
    headers["Content-Type"] = "application/json";
    if (token) headers["Curfew-CSRF"] = token;
  }
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      method, headers, signal: signal ?? null, credentials: "same-origin", cache: "no-store",
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new Failure(0, { code: "offline", title: "The gateway does not answer.", detail: "What you see is what was last known.", fix: [{ say: "Is it running? On its machine:", run: "curfew doctor" }] });
  }
  const text = await response.text();
  let parsed: unknown = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    throw new Failure(response.status || 502, { title: "The answer was not from a Curfew gateway." });
  }
  if (!response.ok) {
    if (response.status === 401) signIn();
    throw new Failure(response.status, (parsed ?? {}) as object);
  }
  if (method === "POST") note(parsed);
  return parsed as T;
}

/** Goes to the page for signing in, which comes back here. */
export function signIn(): void {
  const here = location.pathname + location.search;
  location.assign(`/sign-in?next=${encodeURIComponent(here)}`);
}

export function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return send<T>("GET", path, query, undefined, signal);
}
export function post<T>(path: string, body: unknown = {}): Promise<T> {
  return send<T>("POST", path, undefined, body);
}
