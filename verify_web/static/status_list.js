// Status list tokens, JWT form, read as signing/status_list.py reads them: one form, one key that the trust list names,
// all slots and not one byte more. No DOM, no network.

import { Refused, signedByKey } from "./certificate.js";
import { b64url, isTime, json, requireLister, takeApart, unb64url } from "./trust.js";
import { ageOf, listed } from "./verdict.js";

export const MAX_TOKEN = 512 * 1024;
const PACKED = 2 ** 18; // 2^20 slots of two bits
const LIFE = 48 * 3600;
const VALUES = ["valid", "invalid", "suspended", "replaced"];
const URI = /^https?:\/\/[\x21-\x7e]{1,240}\/status\/(?:0|[1-9][0-9]{0,8})$/;

const refuse = (reason) => {
  throw new Refused(reason);
};

export const uriOf = (trust, number) => `${trust.statusLists}${number}`;

// zlib's wrapping taken off, never more than `most` bytes held.
export async function inflate(bytes, most) {
  const found = new Uint8Array(most);
  let length = 0;
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.length > most) {
        await reader.cancel();
        refuse("status_list");
      }
      found.set(value, length);
      length += value.length;
    }
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("status_list");
  }
  if (length !== most) refuse("status_list");
  return found;
}

const encode = (value) => b64url(new TextEncoder().encode(JSON.stringify(value)));

// {uri, iat, exp, ttl, values} of a token whose signature and signer were verified; its age is still to be judged.
export async function authentic(text, uri, trust) {
  if (text.length > MAX_TOKEN) refuse("status_list");
  const { header, payload, signature, signed, parts } = takeApart(text);
  const claims = json(payload);
  const { sub, iat, exp, ttl, status_list: list } = claims ?? {};
  if (typeof header?.kid !== "string" || typeof list?.lst !== "string") refuse("status_list");
  // Laid out again and compared: members in order, nothing else, no second spelling of a number.
  const again = [
    encode({ alg: header.alg, kid: header.kid, typ: "statuslist+jwt" }),
    encode({ exp, iat, status_list: { bits: 2, lst: list.lst }, sub, ttl }),
  ];
  if (again[0] !== parts[0] || again[1] !== parts[1] || ![iat, exp, ttl].every(isTime)) refuse("status_list");
  if (sub !== uri) refuse("wrong_list");
  if (!URI.test(sub) || !(0 < ttl && ttl <= exp - iat && exp - iat <= LIFE)) refuse("status_list");
  const values = await inflate(unb64url(list.lst), PACKED);
  const named = trust.keys.filter(({ use, kid }) => use === "status-list" && kid === header.kid);
  if (!named.length) refuse("key_unknown");
  let signer;
  for (const key of named) {
    if (key.suite.jose === header.alg && (await signedByKey(key.spki, key.suite, signature, signed))) signer = key;
  }
  if (!signer) refuse("bad_signature");
  if (signer.state === "compromised") refuse("key_compromised");
  if (iat < signer.from || iat > signer.to) refuse("key_unknown");
  await requireLister(signer, trust, iat);
  return { uri, iat, exp, ttl, values };
}

// Slots fill each byte from its least significant bit (the draft's section 4.1).
export function valueAt(values, index) {
  const byte = values[index >> 2];
  if (index < 0 || byte === undefined) refuse("status_index");
  return VALUES[(byte >> (2 * (index & 3))) & 3];
}

// What a list comes to at a moment: {status, reason, list}. `text` is null where there is none.
export async function lookUp(table, text, trust, number, index, at) {
  if (text === null) return { status: "not_checked", reason: "status_list_missing", list: null };
  try {
    const list = await authentic(text, uriOf(trust, number), trust);
    return { ...listed(table, ageOf(list, at), valueAt(list.values, index)), list };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: "not_checked", reason: "status_list_refused", list: null };
  }
}
