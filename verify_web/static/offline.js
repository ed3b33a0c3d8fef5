// A scanned code checked without the registry: signing.check.check_scan with a trust list and the status lists that lie
// on this device. No DOM, no network.

import { checkLink } from "./check.js";
import { lookUp } from "./status_list.js";
import { civilDay } from "./trust.js";
import { instant } from "./verdict.js";

const NOTHING = {
  content: "not_compared",
  issuer: "not_checked",
  record: "not_asked",
  status: "not_checked",
  time: "unknown",
  content_reason: "content_not_compared",
  issuer_reason: "issuer_not_checked",
  status_reason: "status_not_asked",
};

// What a page of the site is given, made from a verified trust list; from null where there is none to be believed.
function pageData(trust, at) {
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  return {
    facts: NOTHING,
    nothing: NOTHING,
    as_of: instant(at),
    today: trust && civilDay(at, trust.zone),
    credential_sha256: null,
    origins: trust && trust.origins,
    trust_expires_at: trust && instant(trust.expiresAt),
    keys: trust && trust.keys.filter(({ use }) => use === "qr").map((key) => ({
      kid: key.kid,
      alg: key.suite.cose,
      spki: base64(key.spki),
      issuer: key.agency,
      types: key.types,
      state: key.state,
      last_issue_day: civilDay(key.to, trust.zone),
    })),
  };
}

// `tokenOf(number)` gives a status list's token, or null. Returns {facts, claims, key, list, asOf}: the list that was looked
// at, an expired one included, and the moment the status is known for, in seconds.
export async function checkOffline(table, text, trust, tokenOf, at) {
  const { facts, claims, key } = await checkLink(text, pageData(trust, at));
  if (!trust || !claims || facts.issuer !== "recognised") return { facts, claims, key, list: null, asOf: at };
  const token = await tokenOf(claims.status_list);
  const { status, reason, list } = await lookUp(table, token, trust, claims.status_list, claims.status_index, at);
  const asOf = list && status !== "not_checked" ? list.iat : at;
  return { facts: { ...facts, status, status_reason: reason }, claims, key, list, asOf };
}
