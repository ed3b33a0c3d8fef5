// The page that the service worker gives for /c/<id> without a network: reads the fragment once, checks it on this device
// by the lists that lie there, and says how old they are. Expects what page.js names, and besides
//   script#words[type="application/json"]  words of this page
//   #checked-at, #ages[hidden] in the verdict, button#retry

import { underPrintedOrigin } from "./check.js";
import { held, tokenOf } from "./lists.js";
import { checkOffline } from "./offline.js";
import { ageInWords, byId, dropFragment, element, isScanned, momentInWords, offerPrint, showClaims, showTechnical, showVerdict } from "./show.js";
import { decide } from "./verdict.js";

const DAY = 86400;
const live = JSON.parse(byId("live").textContent);
const words = JSON.parse(byId("words").textContent);
const now = () => Math.floor(Date.now() / 1000);

function find(trust, fragment, at) {
  return underPrintedOrigin(trust?.origins ?? [], location.origin, (origin) =>
    checkOffline(live.table, `${origin}${location.pathname}#${fragment}`, trust, tokenOf, at));
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

function showAges({ trust, refused, state }, found, at) {
  const ages = byId("ages");
  const zone = trust?.zone;
  const lines = [];
  if (found?.list) {
    const known = found.facts.status !== "not_checked";
    lines.push(line(known ? words.status_of : words.list_of, at, found.list.iat, zone));
  }
  if (trust) lines.push(line(words.trust_of, at, trust.issuedAt, zone));
  else if (state?.trouble !== "wrong_root") lines.push(words[`refused_${refused}`] ?? words.refused);
  if (state?.trouble === "wrong_root") lines.push(words.root);
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

async function check(fragment) {
  const at = now();
  const kept = await held(at);
  const found = await find(kept.trust, fragment, at);
  const copy = (found.claims?.copy_valid_to ?? null) !== null;
  const decision = decide(live.table, found.facts, null, copy);
  live.names = namesOf(kept.trust);
  showClaims(live, null);
  showVerdict(live, decision);
  showAges(kept, found, at);
  showClaims(live, found.claims);
  showTechnical(decision, found.claims, found.key, found.asOf);
  return found.facts.content_reason;
}

async function run() {
  const fragment = location.hash.slice(1);
  byId("retry").addEventListener("click", () => {
    history.replaceState(history.state, "", `${location.pathname}${location.search}#${fragment}`);
    location.reload();
  });
  let reason = "check_failed"; // such as a device that keeps nothing for sites
  try {
    reason = await check(isScanned(fragment) ? fragment : "");
  } catch {
    showVerdict(live, decide(live.table, { ...live.nothing, content: "not_compared", content_reason: reason }));
  } finally {
    if (isScanned(fragment)) dropFragment(fragment);
  }
  byId("verdict").dataset.checked = reason; // done: for tests and tools
}

for (const link of document.querySelectorAll("nav a[hreflang]")) link.pathname = location.pathname;
offerPrint();
addEventListener("hashchange", () => {
  if (isScanned(location.hash.slice(1))) location.reload();
});
await run();
