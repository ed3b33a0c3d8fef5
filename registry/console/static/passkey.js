// Passkeys: what a page asks of the browser's authenticator, and what it sends back. Nothing else here needs a script.

const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const decodeIds = (descriptors) => descriptors.map((one) => ({ ...one, id: decode(one.id) }));

async function post(address, form, body) {
  const headers = { "Content-Type": "application/json" };
  if (form) headers["X-Form-Token"] = form;
  const response = await fetch(address, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  const value = await response.json();
  if (!response.ok) throw Object.assign(new Error("refused"), { said: value.message });
  return value;
}

async function create(options, label) {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    user: { ...options.user, id: decode(options.user.id) },
    excludeCredentials: decodeIds(options.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  return {
    label,
    clientDataJSON: encode(made.response.clientDataJSON),
    attestationObject: encode(made.response.attestationObject),
  };
}

async function get(options) {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    allowCredentials: decodeIds(options.allowCredentials),
  };
  const found = await navigator.credentials.get({ publicKey });
  return {
    id: encode(found.rawId),
    clientDataJSON: encode(found.response.clientDataJSON),
    authenticatorData: encode(found.response.authenticatorData),
    signature: encode(found.response.signature),
    ...(found.response.userHandle ? { userHandle: encode(found.response.userHandle) } : {}),
  };
}

async function ask(place) {
  const { passkey, options, answer, form, next, account, label, working, cancelled, present, failed } = place.dataset;
  const said = place.querySelector(".said");
  const button = place.querySelector("button");
  const typed = (id) => (id ? document.getElementById(id).value.trim() : "");
  said.textContent = working;
  button.disabled = true;
  try {
    const wanted = await post(options, form, account ? { account: typed(account) } : {});
    if (wanted.location) return location.assign(wanted.location);
    const made = passkey === "create" ? await create(wanted, typed(label)) : await get(wanted);
    const { location: there } = await post(answer, form, next ? { answer: made, next } : { answer: made });
    return location.assign(there);
  } catch (error) {
    const known = { NotAllowedError: cancelled, InvalidStateError: present };
    said.textContent = error.said ?? known[error.name] ?? failed;
    button.disabled = false;
    return undefined;
  }
}

if (window.PublicKeyCredential) {
  for (const place of document.querySelectorAll("[data-passkey]")) {
    place.hidden = false;
    place.querySelector("button").addEventListener("click", () => ask(place));
  }
}
