import { Failure, get, hasPasskey, note, post, type Schemas } from "./client";

type Touch = Schemas["Touch"];

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (buffer: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(buffer)));

const keyOf = (id: string): PublicKeyCredentialDescriptor => ({ type: "public-key", id: bytes(id) });

/** What the browser says where nobody touched, in our words. */
function untouched(error: unknown): unknown {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "AbortError") return new Failure(400, { code: "passkey.untouched", title: "No passkey was touched.", detail: "Nothing was changed." });
  if (name === "InvalidStateError") return new Failure(400, { code: "passkey.known", title: "This authenticator has a passkey of yours already." });
  if (name === "NotSupportedError" || name === "SecurityError") return new Failure(400, { code: "passkey.unsupported", title: "This browser makes no passkeys for this address.", detail: error instanceof Error ? error.message : "" });
  return error;
}

/** Has the authenticator sign what waits; it is done by that. */
export async function touch<T>(id: string): Promise<T> {
  const c = await post<Schemas["TouchChallenge"]>(`/touches/${encodeURIComponent(id)}/challenge`);
  let key: PublicKeyCredential;
  try {
    if (!window.PublicKeyCredential) throw new DOMException("it has no passkeys", "NotSupportedError");
    key = (await navigator.credentials.get({
      publicKey: { challenge: bytes(c.challenge), rpId: c.rp, userVerification: "required", allowCredentials: (c.passkeys ?? []).map(keyOf), timeout: 120_000 },
    })) as PublicKeyCredential;
  } catch (error) {
    throw untouched(error);
  }
  const r = key.response as AuthenticatorAssertionResponse;
  const done = await post<Touch>(`/touches/${encodeURIComponent(id)}/touch`, {
    passkey: text(key.rawId), client_data: text(r.clientDataJSON), authenticator: text(r.authenticatorData), signature: text(r.signature),
  });
  note(done.result);
  return done.result as T;
}

/** Makes a change by the touch of a passkey. What was not touched for does not go on waiting. */
export async function byTouch<T>(path: string, body: object): Promise<T> {
  const t = await post<Touch>("/touches", { path, body: { ...body, passphrase: undefined } });
  return touch<T>(t.id).catch((error: unknown) => {
    void post(`/touches/${encodeURIComponent(t.id)}/drop`).catch(() => undefined); // it lapses by itself
    throw error;
  });
}

/** Makes a change that takes a proof of its own: the touch of whoever has a passkey, the passphrase of others. */
export async function prove<T>(path: string, body: object): Promise<T> {
  if (hasPasskey()) return byTouch<T>(path, body);
  return post<T>(path, body);
}

/** Makes a passkey of one's own; a further one takes the touch of one that is there. */
export async function makePasskey(passphrase: string): Promise<void> {
  const m = await post<Schemas["PasskeyMaking"]>("/passkeys/make", { passphrase });
  let key: PublicKeyCredential;
  try {
    if (!window.PublicKeyCredential) throw new DOMException("it has no passkeys", "NotSupportedError");
    key = (await navigator.credentials.create({
      publicKey: {
        challenge: bytes(m.challenge), rp: { id: m.rp, name: "Curfew" }, user: { id: bytes(m.user), name: m.name || m.display, displayName: m.display },
        pubKeyCredParams: [{ type: "public-key", alg: -8 }, { type: "public-key", alg: -7 }],
        excludeCredentials: (m.known ?? []).map(keyOf), authenticatorSelection: { residentKey: "required", userVerification: "required" }, attestation: "none", timeout: 120_000,
      },
    })) as PublicKeyCredential;
  } catch (error) {
    throw untouched(error);
  }
  const r = key.response as AuthenticatorAttestationResponse;
  const added = await post<Schemas["PasskeyAdded"]>("/passkeys", { ticket: m.ticket, client_data: text(r.clientDataJSON), attestation: text(r.attestationObject) });
  if (added.touch) await touch(added.touch.id);
}

export const passkeys = ({ signal }: { signal: AbortSignal }): Promise<{ items: Schemas["Passkey"][] | null }> => get("/passkeys", undefined, signal);
export const waiting = (id: string) => ({ signal }: { signal: AbortSignal }): Promise<Touch> => get(`/touches/${encodeURIComponent(id)}`, undefined, signal);
export const drop = (id: string): Promise<Touch> => post(`/touches/${encodeURIComponent(id)}/drop`);
export const removePasskey = (id: string): Promise<unknown> => byTouch(`/passkeys/${encodeURIComponent(id)}/remove`, {});
