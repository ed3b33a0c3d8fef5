// The page that the service worker gives for /c/<id> without a network: reads the fragment once, checks it on this device
// by the lists that lie there, and says how old they are. Expects what page.js names, and besides
//   script#words[type="application/json"]  words of this page
//   #checked-at, #ages[hidden] in the verdict, button#retry

import { held, tokenOf } from "./lists.js";
import { checkOffline } from "./offline.js";
import { ageInWords, byId, dropFragment, element, isScanned, momentInWords, offerPrint, showClaims, showTechnical, showVerdict } from "./show.js";
import { decide } from "./verdict.js";

const DAY = 86400;
const live = JSON.parse(byId("live").textContent);
const words = JSON.parse(byId("words").textContent);
const now = () => Math.floor(Date.now() / 1000);

// Origins under which this link may have been printed: the site may have moved. The credential is bound to one.
function origins(trust) {
  const host = (origin) => origin.slice(origin.indexOf("://") + 3);
  const listed = trust?.origins ?? [];
  const here = listed.filter((origin) => host(origin) === location.host);
  return listed.length ? [...here, ...listed.filter((origin) => !here.includes(origin))] : [location.origin];
}

async function find(trust, fragment, at) {
  let first = null;
  for (const origin of origins(trust)) {
    const found = await checkOffline(live.table, `${origin}${location.pathname}#${fragment}`, trust, tokenOf, at);
    if (found.facts.content === "proven") return found;
    first ??= found;
  }
  return first;
}

// Names of agencies and types by code, in the page's language, else English, else Chinese.
function namesOf(trust) {
  const lang = document.documentElement.lang.split("-")[0];
  const named = {};
  for (const [code, names] of [...Object.entries(trust?.agencies ?? {}), ...Object.entries(trust?.types ?? {})]) {
    const found = [lang, "en", "zh"].find((one) => one in names);
    if (found) named[code] = [names[found], found];
  }
  return named;
}

function line(text, at, moment, zone) {
  return text.replace("{moment}", momentInWords(moment, zone)).replace("{age}", ageInWords(at - moment));
}

function showAges(trust, refused, found, at) {
  const ages = byId("ages");
  const zone = trust?.zone;
  const lines = [];
  if (found?.list) {
    const known = found.facts.status !== "not_checked";
    lines.push(line(known ? words.status_of : words.list_of, at, found.list.iat, zone));
  }
  if (trust) lines.push(line(words.trust_of, at, trust.issuedAt, zone));
  else lines.push(words[`refused_${refused}`] ?? words.refused);
  const old = found?.list ? at - found.list.iat > DAY : trust && at - trust.issuedAt > DAY;
  if (old) lines.unshift(words.old);
  ages.replaceChildren(...lines.map((text, i) => {
    const shown = element("p", text);
    if (old && i === 0) shown.className = "dated";
    return shown;
  }));
  ages.hidden = false;
  byId("checked-at").textContent = words.checked.replace("{moment}", momentInWords(at, zone));
}

async function run() {
  const fragment = location.hash.slice(1);
  const at = now();
  const { trust, refused } = await held(at);
  try {
    const text = isScanned(fragment) ? fragment : "";
    const found = await find(trust, text, at);
    const decision = decide(live.table, found.facts);
    live.names = namesOf(trust);
    showClaims(live, null);
    showVerdict(live, decision);
    showAges(trust, refused, found, at);
    showClaims(live, found.claims);
    showTechnical(decision, found.claims, found.key, found.asOf);
    byId("verdict").dataset.checked = found.facts.content_reason; // done: for tests and tools
  } finally {
    if (isScanned(fragment)) dropFragment(fragment);
  }
  byId("retry").addEventListener("click", () => {
    history.replaceState(history.state, "", `${location.pathname}${location.search}#${fragment}`);
    location.reload();
  });
}

for (const link of document.querySelectorAll("nav a[hreflang]")) link.pathname = location.pathname;
offerPrint();
addEventListener("hashchange", () => {
  if (isScanned(location.hash.slice(1))) location.reload();
});
await run();
