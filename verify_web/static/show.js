// What a check comes to, shown in the document: words of the page's data, never markup. Expects what page.js names.

import { instant } from "./verdict.js";

export const byId = (id) => document.getElementById(id);

export function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

const DATES = ["issue_date", "valid_from", "valid_to", "copy_valid_to"];

// A civil day, written as the rest of the page writes days: 4 March 2026.
function dayInWords(day) {
  const { lang } = document.documentElement;
  const written = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { dateStyle: "long", timeZone: "UTC" });
  return written.format(new Date(`${day}T00:00:00Z`));
}

const ALGORITHMS = { "-7": "ES256", "-35": "ES384" };

function technical(name, text) {
  const shown = byId(`technical-${name}`);
  if (!shown) return;
  shown.textContent = text;
  shown.closest("div").hidden = text === "";
}

// For whoever looks closer: the key that signed the code, and where its status stands; `asOf` in seconds, where it is
// other than what the site wrote.
export function showTechnical(decision, claims, key, asOf = null) {
  technical("verdict", decision.how ? `${decision.verdict} (${decision.how})` : decision.verdict);
  if (asOf !== null) technical("moment", instant(asOf));
  technical("key", key ? `${key.kid} ${ALGORITHMS[key.alg] ?? key.alg}` : "");
  technical("list", claims ? `${claims.status_list} / ${claims.status_index}` : "");
}

export function showVerdict(live, decision) {
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

export function showClaims(live, claims) {
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

// An instant (seconds since 1970) as the site writes one, to the minute, in a zone or else in this device's.
export function momentInWords(at, zone) {
  const { lang } = document.documentElement;
  const how = { year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "long" };
  try {
    return new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { ...how, timeZone: zone }).format(new Date(at * 1000));
  } catch {
    return new Intl.DateTimeFormat(lang, how).format(new Date(at * 1000));
  }
}

// "45 minutes ago": the largest unit that has two of them, or minutes.
export function ageInWords(seconds) {
  const [unit, size] = [["day", 86400], ["hour", 3600]].find(([, one]) => seconds >= 2 * one) ?? ["minute", 60];
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  return format.format(-Math.max(0, Math.floor(seconds / size)), unit);
}

// A place in this page, such as the skip link's, is no credential.
export function isScanned(fragment) {
  return fragment !== "" && byId(fragment) === null;
}

// The fragment goes from the address bar; a choice of language keeps the check.
export function dropFragment(fragment) {
  history.replaceState(history.state, "", location.pathname + location.search);
  for (const link of document.querySelectorAll("nav a[hreflang]")) link.hash = fragment;
}

export function offerPrint() {
  const print = byId("print");
  if (!print) return;
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
