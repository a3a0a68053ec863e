// Signs in by a passkey: the page's form has a button that only this makes work.
"use strict";
(() => {
  const form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential) return;
  const say = document.getElementById("passkey-wrong");
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  form.hidden = false;
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    say.textContent = "";
    try {
      const answer = await fetch("/sign-in/passkey", { credentials: "same-origin", cache: "no-store" });
      if (!answer.ok) throw new Error("The gateway does not take passkeys now.");
      const c = await answer.json();
      const key = await navigator.credentials.get({ publicKey: { challenge: bytes(c.challenge), rpId: c.rp, userVerification: "required", allowCredentials: [], timeout: 120000 } });
      form.elements.record.value = c.record;
      form.elements.passkey.value = text(key.rawId);
      form.elements.client_data.value = text(key.response.clientDataJSON);
      form.elements.authenticator.value = text(key.response.authenticatorData);
      form.elements.signature.value = text(key.response.signature);
      form.submit();
    } catch (error) {
      say.textContent = error && error.name === "NotAllowedError" ? "No passkey was touched." : (error && error.message) || "It did not work.";
    }
  });
})();
