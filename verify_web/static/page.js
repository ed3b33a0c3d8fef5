// The page of /c/<id>: reads the fragment once, checks the content on this device, shows what that changes,
// and drops the fragment from the address bar. What the server wrote stands where anything here fails.
//
// Expects in the document:
//   script#live[type="application/json"]  signing.page_data.page_json: {facts, nothing, how, as_of, today,
//                                         credential_sha256, origin, origins, trust_expires_at, keys, names, table, sentences}
//   #verdict[role=status][data-verdict][data-tone], in it h1#heading, #sentence and perhaps .dated
//   #check-content, #check-issuer, #check-status, each [data-result] with .result and .reason in it
//   #compare, where the signed details are put before #fields, in a dl.fields#claims
//   #next; and, if wanted, button#print[hidden] and nav a[hreflang] (which keep the fragment)

import { checkLink } from "./check.js";
import { decide } from "./verdict.js";

const byId = (id) => document.getElementById(id);

function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

const DATES = ["issue_date", "valid_from", "valid_to"];

// A civil day, written as the rest of the page writes days: 4 March 2026.
function dayInWords(day) {
  const { lang } = document.documentElement;
  const written = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { dateStyle: "long", timeZone: "UTC" });
  return written.format(new Date(`${day}T00:00:00Z`));
}

function showVerdict(live, decision) {
  const words = live.sentences.verdicts[decision.heading];
  const region = byId("verdict");
  const heading = byId("heading");
  const before = heading.textContent;
  const changed = region.dataset.verdict !== decision.verdict;
  region.dataset.verdict = decision.verdict;
  region.dataset.tone = decision.tone;
  heading.textContent = words.heading;
  byId("sentence").textContent = words.sentence;
  byId("next").textContent = words.next;
  const dated = region.querySelector(".dated");
  if (dated && changed) dated.remove();
  if (document.title.startsWith(before)) document.title = words.heading + document.title.slice(before.length);
  for (const [name, check] of Object.entries(decision.checks)) {
    const line = byId(`check-${name}`);
    line.dataset.result = check.result;
    line.querySelector(".result").textContent = live.sentences.results[check.result];
    line.querySelector(".reason").textContent = live.sentences.reasons[check.reason] ?? check.reason;
  }
}

function showClaims(live, claims) {
  byId("claims")?.remove();
  byId("claims-title")?.remove();
  if (!claims) return;
  const words = live.sentences.claims;
  const list = element("dl");
  list.id = "claims";
  list.className = "fields";
  for (const name of Object.keys(words)) {
    if (!(name in claims)) continue; // the title and other words
    let value = claims[name];
    if (name === "valid_to") value ??= words.no_end;
    if (name === "edition") value = String(value).padStart(3, "0");
    let lang = null; // where it is another than the page's
    if (name === "issuer_code" || name === "type_code") [value, lang] = live.names[value] ?? [value, null];
    if (value === null) continue;
    if (DATES.includes(name) && value !== words.no_end) value = dayInWords(value);
    if (/\p{Script=Han}/u.test(value)) lang = "zh";
    const pair = element("div");
    const shown = element("dd");
    const text = element("bdi", value);
    if (lang && !document.documentElement.lang.startsWith(lang)) text.lang = lang;
    shown.append(text);
    pair.append(element("dt", words[name]), shown);
    list.append(pair);
  }
  const title = element("h3", words.title);
  title.id = "claims-title";
  const compare = byId("compare");
  compare.hidden = false;
  const fields = byId("fields");
  compare.insertBefore(title, fields);
  compare.insertBefore(list, fields);
}

async function check(live, text) {
  let found;
  if (globalThis.crypto?.subtle === undefined) {
    const reason = "browser_cannot";
    found = { facts: { ...live.facts, content: "not_compared", content_reason: reason }, claims: null };
  } else {
    try {
      found = await checkLink(text, live);
    } catch {
      const reason = "check_failed";
      found = { facts: { ...live.facts, content: "not_compared", content_reason: reason }, claims: null };
    }
  }
  const decision = decide(live.table, found.facts, live.how);
  showClaims(live, null);
  showVerdict(live, decision);
  showClaims(live, found.claims);
  byId("verdict").dataset.checked = found.facts.content_reason; // done: for tests and tools
}

// A place in this page, such as the skip link's, is no credential.
function isScanned(fragment) {
  return fragment !== "" && byId(fragment) === null;
}

// The origin as printed, which the credential is bound to: where this page stands may be another one, to which the
// site has moved, or the same over https. Of a licence that is not known here, the listed one of the same host.
function printedOrigin(live) {
  const sameHost = (origin) => origin.slice(origin.indexOf("://") + 3) === location.host;
  return live.origin ?? live.origins?.find(sameHost) ?? location.origin;
}

async function run(live) {
  const fragment = location.hash.slice(1);
  if (!isScanned(fragment)) return;
  const text = printedOrigin(live) + location.pathname + location.hash; // a choice of language is no part of it
  try {
    await check(live, text);
  } finally {
    history.replaceState(history.state, "", location.pathname + location.search);
    for (const link of document.querySelectorAll("nav a[hreflang]")) link.hash = fragment;
  }
}

const print = byId("print");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}

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
