// On every page: makes this device ready to check without a network, once the page itself has nothing left to do.

import { refresh } from "./lists.js";

const root = document.querySelector('meta[name="trust-root"]')?.content;

export async function prepare() {
  await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
  if (root && !navigator.connection?.saveData) await refresh(Math.floor(Date.now() / 1000), root);
}

// Without a secure context there is neither worker nor WebCrypto, and nothing to make ready.
export const able = isSecureContext && "serviceWorker" in navigator && "caches" in globalThis;

if (able) {
  const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 1));
  const ready = () => whenIdle(() => prepare().catch((error) => {
    if (!(error instanceof TypeError)) throw error; // TypeError: the network went away, and comes back
  }));
  if (document.readyState === "complete") ready();
  else addEventListener("load", ready, { once: true });
}
