// What a scanned link says, held against the page's data: signing.check.check_scan for the reader's own device.
// The fragment is read here and nowhere else. No DOM, no network.

import { Malformed, decodeCredential, parseDigits, sha256, signedBy, splitLink } from "./credential.js";

// What the fragment proves by the listed keys: {credential, signed, content, issuer} with [value, reason] pairs.
async function prove(link, live) {
  const unchecked = ["not_checked", "issuer_not_checked"];
  let cose;
  let credential;
  try {
    cose = parseDigits(link.fragment);
    credential = decodeCredential(cose);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { cose, signed: false, content: ["altered", "credential_malformed"], issuer: unchecked };
  }
  if (live.origins === null || live.keys === null) {
    // Not "unknown": this page was given no list, or fewer keys than there are.
    const issuer = ["not_checked", "trust_list_missing"];
    return { cose, signed: false, content: ["not_compared", "content_not_proven"], issuer };
  }
  const named = live.keys.filter((key) => key.kid === credential.kid);
  const usable = named.filter((key) => key.alg === credential.alg);
  if (usable.length === 0) {
    const reason = named.length ? "key_algorithm" : "key_unknown";
    return { cose, signed: false, content: ["not_compared", "content_not_proven"], issuer: ["refused", reason] };
  }
  for (const key of usable) {
    if (await signedBy(credential, link.origin, link.idText, key)) {
      const issuer = entitlement(credential.claims, key, live);
      return { cose, credential, signed: true, content: ["proven", "signature_correct"], issuer };
    }
  }
  return { cose, signed: false, content: ["altered", "signature_wrong"], issuer: unchecked };
}

function entitlement(claims, key, live) {
  if (key.issuer !== claims.issuer_code || !key.types.includes(claims.type_code)) {
    return ["refused", "not_entitled"];
  }
  if (key.state === "compromised") return ["doubtful", "key_compromised"];
  if (live.as_of >= live.trust_expires_at) return ["doubtful", "trust_list_expired"];
  if (key.last_issue_day === null) return ["doubtful", "zone_rules_missing"];
  if (claims.issue_date > key.last_issue_day) return ["refused", "out_of_period"];
  return ["recognised", "issuer_recognised"];
}

function timeOf(claims, today) {
  if (today === null) return "unknown";
  if (today < claims.valid_from) return "before";
  if (claims.valid_to !== null && today > claims.valid_to) return "after";
  return claims.copy_valid_to !== null && today > claims.copy_valid_to ? "copy_after" : "within";
}

const set = (facts, axis, [value, reason]) => ({ ...facts, [axis]: value, [`${axis}_reason`]: reason });

// live: the page's data (signing.page_data). Returns {facts, claims, key}: claims only where proven, else null; key, {kid, alg},
// where a listed key signed the code.
export async function checkLink(text, live) {
  let link;
  try {
    link = splitLink(text);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { facts: { ...live.nothing, issuer: "refused", issuer_reason: "not_a_link" }, claims: null, key: null };
  }
  if (live.origins !== null && !live.origins.includes(link.origin)) {
    return { facts: { ...live.nothing, issuer: "refused", issuer_reason: "origin_unknown" }, claims: null, key: null };
  }
  let facts = live.facts;
  if (link.fragment === "") return { facts, claims: null, key: null };
  const proof = await prove(link, live);
  const key = proof.signed ? { kid: proof.credential.kid, alg: proof.credential.alg } : null;
  let claims = proof.credential?.claims ?? null;
  if (facts.record !== "known") {
    facts = set(set(facts, "content", proof.content), "issuer", proof.issuer);
    if (claims && facts.issuer === "recognised") facts = { ...facts, time: timeOf(claims, live.today) };
    if (facts.record === "unknown" || facts.issuer === "refused") claims = null;
    return { facts, claims, key };
  }
  if (proof.cose === undefined) return { facts: set(facts, "content", proof.content), claims: null, key };
  if ((await sha256(proof.cose)) !== live.credential_sha256) {
    return { facts: set(facts, "content", ["altered", "credential_differs"]), claims: null, key };
  }
  const registered = ["proven", "registered_credential"];
  facts = set(facts, "content", proof.content[0] === "altered" ? proof.content : registered);
  if (proof.issuer[0] === "refused") facts = set(facts, "issuer", proof.issuer);
  const shown = facts.content === "proven" && facts.issuer === "recognised";
  return { facts, claims: shown ? claims : null, key };
}

const hostOf = (origin) => origin.slice(origin.indexOf("://") + 3);

// A link that was read without the origin it was printed with, checked under each listed one, that of the page's own host
// first: the site may have moved, and the credential is bound to one origin. `check(origin)` gives {facts, …}; what is
// proven counts, else what came first.
export async function underPrintedOrigin(listed, own, check) {
  const here = listed.filter((origin) => hostOf(origin) === hostOf(own));
  let first = null;
  for (const origin of listed.length ? [...here, ...listed.filter((one) => !here.includes(one))] : [own]) {
    const found = await check(origin);
    if (found.facts.content === "proven") return found;
    first ??= found;
  }
  return first;
}
