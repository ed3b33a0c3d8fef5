// The QR credential: link, strict CBOR, COSE_Sign1 and its signature, as signing/credential.py reads them.
// Everything here is hostile input; whatever is not exactly our form throws Malformed. No DOM, no network.

export class Malformed extends Error {}

const MAX_LINK = 320;
const MAX_DIGITS = 2000;
const MAX_SIGNED = 400;
const MAX_DEPTH = 4;
const MAX_PURPOSE = 200;
const MAX_RECIPIENT = 100;
const LAST_DAY = 2932896; // 9999-12-31
const ORIGIN = /^(https?):\/\/([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([1-9][0-9]{0,4}))?$/;
const ID = /^[A-Za-z0-9_-]{21}[AQgw]$/; // four unused bits, all zero
const REFUSED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u{FE00}-\u{FE0F}\u{E0100}-\u{E01EF}]/u;
// Of the curves' groups (SP 800-186). A signature's s and order - s both verify; only the lesser is ours.
const ORDER_256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ORDER_384 = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const ALGORITHMS = new Map([
  [-7, { curve: "P-256", hash: "SHA-256", size: 64, order: ORDER_256 }],
  [-35, { curve: "P-384", hash: "SHA-384", size: 96, order: ORDER_384 }],
]);

function refuse(what) {
  throw new Malformed(what);
}

// Scheme, host in small letters, port unless it is the scheme's own.
export function normalOrigin(text) {
  const match = ORIGIN.exec(text);
  if (!match || Number(match[3] ?? 1) > 65535) refuse("origin");
  const [, scheme, host, port] = match;
  const own = port === undefined || Number(port) === { http: 80, https: 443 }[scheme];
  return `${scheme}://${host.toLowerCase()}${own ? "" : `:${port}`}`;
}

// Counted in characters, as Python counts them: two surrogates are one.
const isLonger = (text, most) => text.length > most && (text.length > 2 * most || [...text].length > most);

// {origin, idText, fragment}; the fragment is unread, and empty where there is none.
export function splitLink(text) {
  if (isLonger(text, MAX_LINK + 1 + MAX_DIGITS)) refuse("link");
  const hash = text.indexOf("#");
  const address = hash < 0 ? text : text.slice(0, hash);
  const path = address.lastIndexOf("/c/");
  if (address.length > MAX_LINK || path < 0) refuse("link");
  const idText = address.slice(path + 3);
  if (!ID.test(idText)) refuse("link");
  return { origin: normalOrigin(address.slice(0, path)), idText, fragment: hash < 0 ? "" : text.slice(hash + 1) };
}

// {origin, idText} of a presentation code, which carries no fragment.
export function splitShowing(text) {
  const path = text.lastIndexOf("/p/");
  if (text.length > MAX_LINK || path < 0 || !ID.test(text.slice(path + 3))) refuse("link");
  return { origin: normalOrigin(text.slice(0, path)), idText: text.slice(path + 3) };
}

// The COSE bytes that the digits of a fragment spell.
export function parseDigits(digits) {
  if (digits.length > MAX_DIGITS || !/^[1-9][0-9]*$/.test(digits)) refuse("fragment");
  let hex = BigInt(digits).toString(16);
  if (hex.length % 2) hex = `0${hex}`;
  const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
  if (bytes[0] !== 1 || bytes.length < 2 || bytes.length > 1 + MAX_SIGNED) refuse("version");
  return bytes.slice(1);
}

// RFC 8949, section 4.2.1: integers, byte and text strings, null, arrays, maps with integer keys.
export function decodeCbor(data) {
  let at = 0;
  const take = (count) => {
    if (count > data.length - at) refuse("length");
    at += count;
    return data.subarray(at - count, at);
  };
  const argument = (low) => {
    if (low < 24) return low;
    if (low > 27) refuse("length");
    const size = 1 << (low - 24);
    let value = 0n;
    for (const byte of take(size)) value = (value << 8n) | BigInt(byte);
    if (value < (size === 1 ? 24n : 1n << BigInt(4 * size))) refuse("not the shortest form");
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse("range"); // no claim is that large
    return Number(value);
  };
  const isGreater = (one, other) => {
    for (let i = 0; i < Math.min(one.length, other.length); i += 1) {
      if (one[i] !== other[i]) return one[i] > other[i];
    }
    return one.length > other.length;
  };
  const item = (depth) => {
    if (depth > MAX_DEPTH) refuse("depth");
    const initial = take(1)[0];
    if (initial === 0xf6) return null;
    const major = initial >> 5;
    if (major > 5) refuse("type");
    const value = argument(initial & 31);
    if (major === 0) return value;
    if (major === 1) return -1 - value;
    if (major === 2) return take(value).slice();
    if (major === 3) {
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(value));
      } catch {
        return refuse("UTF-8");
      }
    }
    if (value > data.length - at) refuse("length");
    if (major === 4) return Array.from({ length: value }, () => item(depth + 1));
    const map = new Map();
    let previous = new Uint8Array();
    for (let i = 0; i < value; i += 1) {
      const start = at;
      const key = item(depth + 1);
      if (typeof key !== "number") refuse("key");
      const encoded = data.subarray(start, at);
      if (!isGreater(encoded, previous)) refuse("order of keys");
      previous = encoded;
      map.set(key, item(depth + 1));
    }
    return map;
  };
  const result = item(1);
  if (at !== data.length) refuse("bytes follow");
  return result;
}

const isBytes = (value) => value instanceof Uint8Array;
const isWhole = (value, least, largest) => Number.isInteger(value) && value >= least && value <= largest;

function text(value) {
  if (typeof value !== "string" || !value || REFUSED.test(value) || value.normalize("NFC") !== value) refuse("text");
  return value;
}

function shortText(value, most) {
  if (isLonger(text(value), most)) refuse("text");
  return value;
}

function code(value, length) {
  if (text(value).length !== length || !/^[0-9A-Z]+$/.test(value)) refuse("code");
  return value;
}

function day(value) {
  if (!isWhole(value, 0, LAST_DAY)) refuse("day");
  return new Date(value * 86400000).toISOString().slice(0, 10);
}

// Dates are ISO days, absent texts null.
export function decodeClaims(payload) {
  const found = decodeCbor(payload);
  if (!(found instanceof Map)) refuse("claims");
  if (![1, 2, 8, 10, 11, 12].every((key) => found.has(key))) refuse("claims");
  if (![...found.keys()].every((key) => isWhole(key, 1, 15))) refuse("claims");
  const ofCopy = [13, 14, 15].filter((key) => found.has(key)).length; // of an annotated copy all, else none
  if (ofCopy !== 0 && ofCopy !== 3) refuse("claims");
  const optional = (key) => (found.has(key) ? text(found.get(key)) : null);
  const place = found.get(12);
  if (!Array.isArray(place) || place.length !== 2) refuse("place");
  if (!place.every((number) => isWhole(number, 0, 2 ** 32 - 1))) refuse("place");
  if (!isWhole(found.get(11), 1, 999)) refuse("edition");
  const issued = day(found.get(8));
  const from = found.has(9) ? day(found.get(9)) : issued;
  const to = found.get(10) === null ? null : day(found.get(10));
  if ((found.has(9) && from === issued) || (to !== null && to < from)) refuse("days");
  const copyTo = ofCopy ? day(found.get(15)) : null;
  if (copyTo !== null && to !== null && copyTo > to) refuse("days");
  return {
    issuer_code: code(found.get(1), 18),
    type_code: code(found.get(2), 21),
    number: optional(3),
    holder_name: optional(4),
    holder_code: optional(5),
    representative: optional(6),
    scope: optional(7),
    issue_date: issued,
    valid_from: from,
    valid_to: to,
    edition: found.get(11),
    status_list: place[0],
    status_index: place[1],
    copy_purpose: ofCopy ? shortText(found.get(13), MAX_PURPOSE) : null,
    copy_recipient: ofCopy ? shortText(found.get(14), MAX_RECIPIENT) : null,
    copy_valid_to: copyTo,
  };
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function decodeCredential(cose) {
  if (cose.length > MAX_SIGNED) refuse("size");
  const parts = decodeCbor(cose);
  if (!Array.isArray(parts) || parts.length !== 4) refuse("COSE_Sign1");
  const [head, unprotected, payload, signature] = parts;
  if (!isBytes(head) || !isBytes(payload) || !isBytes(signature)) refuse("COSE_Sign1");
  if (!(unprotected instanceof Map) || unprotected.size !== 0) refuse("unprotected header");
  if (signature.length < 64 || signature.length > 132) refuse("signature");
  const header = decodeCbor(head);
  if (!(header instanceof Map) || header.size !== 2 || !header.has(1) || !header.has(4)) refuse("protected header");
  const [alg, kid] = [header.get(1), header.get(4)];
  if (!isWhole(alg, -65536, -1) || !isBytes(kid) || kid.length !== 8) refuse("protected header");
  return { claims: decodeClaims(payload), alg, kid: hex(kid), head, payload, signature };
}

function cborHead(major, length) {
  if (length < 24) return [(major << 5) | length];
  return length < 256 ? [(major << 5) | 24, length] : [(major << 5) | 25, length >> 8, length & 255];
}

function sigStructure(credential, origin, idText) {
  const ascii = (string) => new TextEncoder().encode(string);
  const aad = ascii(`elic1|${origin.slice(origin.indexOf("://") + 3)}|${idText}`);
  const context = ascii("Signature1");
  const parts = [[0x84], cborHead(3, context.length), context];
  for (const bytes of [credential.head, aad, credential.payload]) parts.push(cborHead(2, bytes.length), bytes);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

// Whether a key {alg, spki: base64} signed the credential for this very link.
export async function signedBy(credential, origin, idText, key) {
  const algorithm = ALGORITHMS.get(key.alg);
  if (!algorithm || credential.alg !== key.alg || credential.signature.length !== algorithm.size) return false;
  const s = BigInt(`0x${hex(credential.signature.slice(algorithm.size / 2))}`);
  if (s > algorithm.order / 2n) return false;
  const spki = Uint8Array.from(atob(key.spki), (char) => char.charCodeAt(0));
  const scheme = { name: "ECDSA", namedCurve: algorithm.curve, hash: algorithm.hash };
  const imported = await crypto.subtle.importKey("spki", spki, scheme, false, ["verify"]);
  return crypto.subtle.verify(scheme, imported, credential.signature, sigStructure(credential, origin, idText));
}

export async function sha256(bytes) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
