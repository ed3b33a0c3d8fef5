// The service worker, served as /sw.js behind a line that sets SET: {version, assets, shells, onDemand}. It keeps one set
// of scripts and pages, whole; a new version replaces the old set when all of it is here. Navigations go to the network
// first: a cached answer about a licence is never given, only the page that makes the check on this device.
//
// The address of a navigation has its fragment here too. It is neither kept nor sent nor logged: what is asked of the
// cache are paths of the set.

const PREFIX = "vermilion-set-";
const PATIENCE = 10000; // milliseconds that a navigation waits for the network
const store = () => caches.open(PREFIX + SET.version);

async function fetched(path, integrity) {
  const response = await fetch(path, integrity ? { integrity } : { cache: "no-store" });
  const whole = response.ok && !response.redirected;
  // A page of another version, of a server that is still or already another one, would name scripts that are not kept.
  if (!whole || (!integrity && response.headers.get("Vermilion-Set") !== SET.version)) throw new TypeError("not of this set");
  return response;
}

async function install() {
  const set = await store();
  const all = [...Object.entries(SET.assets), ...SET.shells.map((path) => [path, null])];
  await Promise.all(all.map(async ([path, integrity]) => set.put(path, await fetched(path, integrity))));
  await self.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== PREFIX + SET.version) await caches.delete(name);
  }
  await self.clients.claim();
}

const LANGUAGES = SET.shells.map((path) => new URLSearchParams(path.split("?")[1]).get("lang"));

function language(url) {
  const asked = [url.searchParams.get("lang"), ...navigator.languages.map((tag) => tag.split("-")[0].toLowerCase())];
  return asked.find((one) => LANGUAGES.includes(one)) ?? LANGUAGES[0];
}

// The kept page that stands in for one that cannot be had; null where none does.
function shellFor({ pathname }) {
  if (/^\/c\/[^/]+$/.test(pathname)) return "/offline";
  return ["/", "/scan"].includes(pathname) ? "/scan" : null;
}

async function fromNetwork(request) {
  const response = await fetch(request);
  // A proxy's own words about a site that does not answer: ours all carry this header.
  if (response.status >= 500 && !response.headers.has("Content-Security-Policy")) throw new TypeError("no answer");
  return response;
}

async function navigate(request, url, shell) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new TypeError("late")), PATIENCE));
  const asked = fromNetwork(request);
  try {
    return await Promise.race([asked, late]);
  } catch {
    return (await (await store()).match(`${shell}?lang=${language(url)}`)) ?? asked;
  }
}

async function asset(request, pathname) {
  const set = await store();
  const kept = await set.match(pathname);
  if (kept) return kept;
  const integrity = SET.onDemand[pathname];
  if (!integrity) return fetch(request);
  const response = await fetched(pathname, integrity);
  await set.put(pathname, response.clone()).catch(() => {}); // no room: it serves this time all the same
  return response;
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const shell = request.mode === "navigate" && shellFor(url);
  if (shell) event.respondWith(navigate(request, url, shell));
  else if (url.pathname.startsWith("/static/")) event.respondWith(asset(request, url.pathname));
});
