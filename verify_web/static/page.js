// The page of /c/<id>: reads the fragment once, checks the content on this device, shows what that changes,
// and drops the fragment from the address bar. What the server wrote stands where anything here fails.
//
// Expects in the document:
//   script#live[type="application/json"]  signing.page_data.page_json: {facts, nothing, how, copy, as_of, today,
//                                         credential_sha256, origin, origins, trust_expires_at, keys, names, table, sentences}
//   #verdict[role=status][data-verdict][data-tone], in it h1#heading, #sentence and perhaps .dated
//   #check-content, #check-issuer, #check-status, each [data-result] with .result and .reason in it
//   #compare, where the signed details are put before #fields, in a dl.fields#claims
//   #next; and, if wanted, button#print[hidden] and nav a[hreflang] (which keep the fragment)

import { checkLink, underPrintedOrigin } from "./check.js";
import { byId, dropFragment, isScanned, offerPrint, showClaims, showTechnical, showVerdict } from "./show.js";
import { decide } from "./verdict.js";

// The origin as printed is that of the licence on record; where none is known here, one of the list's.
function compare(live, fragment) {
  const under = (origin) => checkLink(`${origin}${location.pathname}#${fragment}`, live); // no choice of language
  return live.origin === null ? underPrintedOrigin(live.origins ?? [], location.origin, under) : under(live.origin);
}

async function check(live, fragment) {
  let found;
  if (globalThis.crypto?.subtle === undefined) {
    const reason = "browser_cannot";
    found = { facts: { ...live.facts, content: "not_compared", content_reason: reason }, claims: null, key: null };
  } else {
    try {
      found = await compare(live, fragment);
    } catch {
      const reason = "check_failed";
      found = { facts: { ...live.facts, content: "not_compared", content_reason: reason }, claims: null, key: null };
    }
  }
  const copy = live.copy || (found.claims?.copy_valid_to ?? null) !== null;
  const decision = decide(live.table, found.facts, live.how, copy);
  showClaims(live, null);
  showVerdict(live, decision);
  showClaims(live, found.claims);
  showTechnical(decision, found.claims, found.key);
  byId("verdict").dataset.checked = found.facts.content_reason; // done: for tests and tools
}

async function run(live) {
  const fragment = location.hash.slice(1);
  if (!isScanned(fragment)) return;
  try {
    await check(live, fragment);
  } finally {
    dropFragment(fragment);
  }
}

offerPrint();

const data = byId("live");
if (data) {
  const live = JSON.parse(data.textContent);
  // Scanning the same code again is a mere change of fragment for the browser. It is a new question: the status
  // that stands here may be days old, in a tab left open.
  addEventListener("hashchange", () => {
    if (isScanned(location.hash.slice(1))) location.reload();
  });
  await run(live);
}
