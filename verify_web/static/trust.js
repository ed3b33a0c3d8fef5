// The signed trust list, verified on the reader's own device (keys/trust_list.py): pinned root, its delegate, the list.
// The list vouches for the QR keys it names; status list keys are held against their certificates besides, when one is
// met. Certificates of seals and time-stamps are not looked at: no code is checked by them. No DOM, no network.

import { Refused, issued, parseCertificate, requireProfile, signedByKey, spkiOfPoint, suiteByJose } from "./certificate.js";
import { Malformed, hex, normalOrigin, sha256 } from "./credential.js";
import { CLOCK_SKEW } from "./verdict.js";

export const MAX_LIST = 4 * 1024 * 1024;
const LAST_INSTANT = 253402300799; // 9999-12-31T23:59:59Z

const refuse = (reason, detail) => {
  throw new Refused(reason, detail);
};

export function unb64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) refuse("malformed", "not base64url");
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  if (b64url(bytes) !== text) refuse("malformed", "not base64url");
  return bytes;
}

export function b64url(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const unb64 = (text) => unb64url(String(text).replace(/={1,2}$/, "").replaceAll("+", "-").replaceAll("/", "_"));

export function json(bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return refuse("malformed", "not JSON");
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export const isTime = (value) => Number.isInteger(value) && value >= 0 && value <= LAST_INSTANT;
const isTexts = (value) => Array.isArray(value) && value.every((text) => typeof text === "string");
const isNames = (value) => isObject(value) && Object.values(value).every((names) => isObject(names) && isTexts(Object.values(names)));

// Three parts of a compact JWS (RFC 7515), the signed one as it stands.
export function takeApart(text) {
  const parts = text.trim().split(".");
  if (parts.length !== 3) refuse("malformed", "no compact JWS");
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  return { header: json(unb64url(parts[0])), payload: unb64url(parts[1]), signature: unb64url(parts[2]), signed, parts };
}

async function keyOf(entry) {
  const { kid, use, alg, jwk, agency, types, from, to, state } = entry;
  if (typeof kid !== "string" || !isTexts(types) || !isTime(from) || !isTime(to) || from > to) refuse("malformed", "a key");
  if (!["active", "retired", "compromised"].includes(state) || (agency === null) !== (use === "status-list")) refuse("malformed", "a key");
  const suite = suiteByJose(alg);
  if (!suite?.curve || !isObject(jwk) || jwk.kty !== "EC" || jwk.crv !== suite.curve) refuse("malformed", "a key");
  if (typeof jwk.x !== "string" || typeof jwk.y !== "string") refuse("malformed", "a key");
  const [x, y] = [unb64url(jwk.x), unb64url(jwk.y)];
  if (x.length !== suite.size || y.length !== suite.size) refuse("malformed", "a key");
  const spki = spkiOfPoint(suite, x, y);
  if ((await sha256(spki)).slice(0, 16) !== kid) refuse("malformed", "a key of the trust list has another key's id");
  const certificate = Array.isArray(entry.x5c) && entry.x5c.length === 1 ? unb64(entry.x5c[0]) : null;
  return { kid, use, suite, spki, agency, types, from, to, state, certificate };
}

// Verify a list at a moment (seconds since 1970) under the pinned root; throws Refused with `reason` "malformed",
// "wrong_root", "not_delegated", "bad_signature", "rollback" (below `minSequence`), "not_yet_issued" or "expired".
export async function readTrustList(text, { at, rootSha256, minSequence = 0 }) {
  try {
    return await read(text, at, rootSha256, minSequence);
  } catch (error) {
    if (error instanceof Refused && error.reason === "chain") throw new Refused("malformed", error.message);
    throw error;
  }
}

async function read(text, at, rootSha256, minSequence) {
  if (text.length > MAX_LIST) refuse("malformed", "too long");
  const { header, payload, signature, signed } = takeApart(text);
  if (!isObject(header) || header.typ !== "trust-list+jwt" || !isTexts(header.x5c)) refuse("malformed", "no trust list");
  if (Object.keys(header).sort().join() !== "alg,typ,x5c,x5t#S256") refuse("malformed", "another header");
  const chain = header.x5c.map(unb64);
  if (chain.length !== 2) refuse("not_delegated");
  if (header["x5t#S256"] !== b64url(new Uint8Array(await crypto.subtle.digest("SHA-256", chain[0])))) refuse("malformed", "another signer");
  if ((await sha256(chain[1])) !== rootSha256) refuse("wrong_root");
  const [delegate, root] = chain.map(parseCertificate);
  if (header.alg !== delegate.suite.jose) refuse("bad_signature");
  if (!(await signedByKey(delegate.spki, delegate.suite, signature, signed))) refuse("bad_signature");
  const list = json(payload);
  if (!isObject(list)) refuse("malformed", "no list");
  const { seq, iat, next_update: next, exp, zone, origins, status_lists: base } = list;
  if (!isTime(iat) || !isTime(next) || !isTime(exp) || !(iat <= next && next <= exp)) refuse("malformed", "times");
  if (!Number.isSafeInteger(seq) || seq < 0 || !isTexts([zone, base]) || !isTexts(origins)) refuse("malformed", "members");
  if (!isNames(list.agencies) || !isNames(list.types) || !Array.isArray(list.keys) || !list.keys.every(isObject)) refuse("malformed", "members");
  if (!isTexts(list.issuing) || !isTexts(list.former_roots ?? [])) refuse("malformed", "members");
  if (!(await issued(root, root))) refuse("malformed", "no root");
  requireProfile(root, "root", at);
  try {
    if (!(await issued(delegate, root))) refuse("not_delegated");
    requireProfile(delegate, "trust-list", iat, exp);
  } catch (error) {
    throw error instanceof Refused ? new Refused("not_delegated", error.message) : error;
  }
  const used = list.keys.filter(({ use }) => use === "qr" || use === "status-list");
  const keys = await Promise.all(used.map(keyOf));
  if (new Set(keys.map(({ use, spki }) => `${use} ${hex(spki)}`)).size !== keys.length) refuse("malformed", "a key twice");
  if (seq < minSequence) refuse("rollback");
  if (at + CLOCK_SKEW < iat) refuse("not_yet_issued");
  if (at >= exp) refuse("expired");
  return {
    sequence: seq,
    issuedAt: iat,
    expiresAt: exp,
    zone,
    origins: origins.flatMap(normalised),
    statusLists: base,
    agencies: list.agencies,
    types: list.types,
    keys,
    roots: [chain[1], ...(list.former_roots ?? []).map(unb64)],
    issuing: list.issuing.map(unb64),
  };
}

function normalised(origin) {
  try {
    return [normalOrigin(origin)];
  } catch (error) {
    if (error instanceof Malformed) return [];
    throw error;
  }
}

// The civil day of an instant in an IANA zone, as YYYY-MM-DD; null where this device lacks the zone's rules.
export function civilDay(at, zone) {
  try {
    const format = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "gregory", numberingSystem: "latn", year: "numeric", month: "2-digit", day: "2-digit" });
    const part = Object.fromEntries(format.formatToParts(new Date(at * 1000)).map(({ type, value }) => [type, value]));
    return `${part.year.padStart(4, "0")}-${part.month}-${part.day}`;
  } catch {
    return null;
  }
}

// A status list key's certificate leads to a root of the list, for its own profile, all valid at `at`; else Refused.
export async function requireLister(key, trust, at) {
  if (!key.certificate) refuse("key_unknown");
  try {
    const certificate = parseCertificate(key.certificate);
    if (hex(certificate.spki) !== hex(key.spki)) refuse("key_unknown");
    for (const issuing of trust.issuing.map(parseCertificate)) {
      if (!(await issued(certificate, issuing))) continue;
      for (const root of trust.roots.map(parseCertificate)) {
        if (!(await issued(issuing, root))) continue;
        requireProfile(certificate, "status-list", at);
        requireProfile(issuing, "issuing", at);
        requireProfile(root, "root", at);
        return;
      }
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  refuse("key_unknown");
}
