// On every page: makes this device ready to check without a network, once the page itself has nothing left to do.

const root = document.querySelector('meta[name="trust-root"]')?.content;

// Installed, and so meant to be there without a network: what lies here is not to go when the device is short of room.
// Browsers do not ask anybody about that for what they have installed, or may refuse; then the page says what it has.
async function keep() {
  if (!matchMedia("(display-mode: standalone)").matches || !navigator.storage?.persist) return;
  if (!(await navigator.storage.persisted())) await navigator.storage.persist();
}

async function prepare() {
  await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
  if (!root || navigator.connection?.saveData) return;
  const { refresh } = await import("./lists.js"); // not before: no page waits for what it does not need itself
  await refresh(Math.floor(Date.now() / 1000), root);
  await keep();
}

// Without a secure context there is neither worker nor WebCrypto, and nothing to make ready.
export const able = isSecureContext && "serviceWorker" in navigator && "caches" in globalThis;

const idle = () => new Promise((done) => (globalThis.requestIdleCallback ?? setTimeout)(done));
const loaded = () => new Promise((done) => {
  if (document.readyState === "complete") done();
  else addEventListener("load", done, { once: true });
});

// Settled once the device is as ready as it can be made now.
export const prepared = !able ? Promise.resolve() : loaded().then(idle).then(prepare).catch((error) => {
  // TypeError: the network went away, and comes back. DOMException: the device keeps nothing for sites, or has no room.
  if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
});
