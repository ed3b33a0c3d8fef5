// Status list tokens read as the draft says, with Node's own WebCrypto and zlib and none of our scripts: first the
// draft's own tokens, then ours.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { inflateSync } from "node:zlib";
import { test } from "node:test";

import { read } from "./setup.mjs";

const ES256 = { name: "ECDSA", hash: "SHA-256" };
const key = ({ kty, crv, x, y }) =>
  crypto.subtle.importKey("jwk", { kty, crv, x, y }, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
const b64 = (text) => Buffer.from(text, "base64url");

async function readJwt(token, jwk) {
  const [header, payload, signature, ...rest] = token.split(".");
  assert.equal(rest.length, 0);
  assert.equal(JSON.parse(b64(header)).typ, "statuslist+jwt");
  assert.equal(JSON.parse(b64(header)).alg, "ES256");
  const signed = Buffer.from(`${header}.${payload}`);
  assert.ok(await crypto.subtle.verify(ES256, await key(jwk), b64(signature), signed));
  const { sub, iat, exp, ttl, status_list: list } = JSON.parse(b64(payload));
  return { sub, iat, exp, ttl, bits: list.bits, raw: inflateSync(b64(list.lst)) };
}

// CBOR (RFC 8949): just enough for a CWT. Maps become Map.
function cbor(data) {
  let at = 0;
  const argument = (low) => {
    if (low < 24) return low;
    const size = 1 << (low - 24);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + data[at++];
    return value;
  };
  const item = () => {
    const first = data[at++];
    const n = argument(first & 31);
    switch (first >> 5) {
      case 0: return n;
      case 1: return -1 - n;
      case 2: return data.subarray(at, (at += n));
      case 3: return data.subarray(at, (at += n)).toString("utf8");
      case 4: return Array.from({ length: n }, item);
      case 5: return new Map(Array.from({ length: n }, () => [item(), item()]));
      case 6: return { tag: n, value: item() };
      default: throw new Error("not expected");
    }
  };
  const value = item();
  assert.equal(at, data.length);
  return value;
}

const bytes = (data) => {
  const length = data.length;
  const head = length < 24 ? [0x40 | length] : length < 256 ? [0x58, length] : length < 65536
    ? [0x59, length >> 8, length & 255] : [0x5a, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from(head), data]);
};

async function readCwt(token, jwk) {
  const { tag, value } = cbor(token);
  assert.equal(tag, 18);
  const [protectedHeader, , payload, signature] = value;
  const header = cbor(protectedHeader);
  assert.equal(header.get(1), -7);
  assert.equal(header.get(16), "application/statuslist+cwt");
  const context = Buffer.concat([Buffer.from([0x84, 0x6a]), Buffer.from("Signature1")]);
  const signed = Buffer.concat([context, bytes(protectedHeader), Buffer.from([0x40]), bytes(payload)]);
  assert.ok(await crypto.subtle.verify(ES256, await key(jwk), signature, signed));
  const claims = cbor(payload);
  const list = claims.get(65533);
  return {
    sub: claims.get(2), iat: claims.get(6), exp: claims.get(4), ttl: claims.get(65534),
    bits: list.get("bits"), raw: inflateSync(list.get("lst")),
  };
}

function status({ bits, raw }, index) {
  const place = index * bits;
  return (raw[Math.floor(place / 8)] >> (place % 8)) & ((1 << bits) - 1);
}

function check(found, wanted) {
  for (const name of ["sub", "iat", "exp", "ttl", "bits"]) assert.equal(found[name], wanted[name], name);
  assert.equal(found.raw.length, wanted.bytes);
  const others = new Map(Object.entries(wanted.statuses).map(([index, value]) => [Number(index), value]));
  const slots = (found.raw.length * 8) / found.bits;
  for (let index = 0; index < slots; index++) assert.equal(status(found, index), others.get(index) ?? 0, String(index));
}

test("the draft's lists", () => {
  for (const { bits, lst, cbor: hex, bytes: size, statuses } of read("./token_status_list.json").lists) {
    const raw = inflateSync(b64(lst));
    assert.deepEqual(inflateSync(cbor(Buffer.from(hex, "hex")).get("lst")), raw);
    check({ bits, raw }, { bits, bytes: size, statuses });
  }
});

test("the draft's tokens", async () => {
  const { jwt, cwt, key: jwk, lists } = read("./token_status_list.json");
  const wanted = {
    sub: "https://example.com/statuslists/1", iat: 1686920170, exp: 2291720170, ttl: 43200,
    bits: 1, bytes: 2, statuses: lists[0].statuses,
  };
  check(await readJwt(jwt, jwk), wanted);
  check(await readCwt(Buffer.from(cwt, "hex"), jwk), wanted);
});

// The members of a trust list, whose signer the pinned root certified.
async function readTrustList(token, rootSha256) {
  const [header, payload, signature] = token.split(".");
  const { alg, typ, x5c } = JSON.parse(b64(header));
  assert.deepEqual([alg, typ, x5c.length], ["ES256", "trust-list+jwt", 2]);
  const [delegate, root] = x5c.map((one) => new X509Certificate(Buffer.from(one, "base64")));
  assert.equal(root.fingerprint256.replaceAll(":", "").toLowerCase(), rootSha256);
  assert.ok(delegate.verify(root.publicKey) && delegate.checkIssued(root));
  const jwk = delegate.publicKey.export({ format: "jwk" });
  const signed = Buffer.from(`${header}.${payload}`);
  assert.ok(await crypto.subtle.verify(ES256, await key(jwk), b64(signature), signed));
  return JSON.parse(b64(payload));
}

test("ours, from the fingerprint of the root alone", async () => {
  const { jwt, cwt, trust, root_sha256: pin, wanted } = read("./our_status_list.json");
  const named = await readTrustList(trust, pin);
  assert.equal(`${named.status_lists}7`, wanted.sub);
  const { kid } = JSON.parse(b64(jwt.split(".")[0]));
  const [{ use, alg, jwk }] = named.keys.filter((one) => one.kid === kid);
  assert.deepEqual([use, alg], ["status-list", "ES256"]);
  check(await readJwt(jwt, jwk), wanted);
  check(await readCwt(Buffer.from(cwt, "hex"), jwk), wanted);
});
