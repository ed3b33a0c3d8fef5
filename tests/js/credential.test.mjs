import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { Malformed, decodeCbor, decodeCredential, normalOrigin, parseDigits, splitLink } from "./credential.js";

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

test("credentials are read as Python reads them, or refused as it refuses them", () => {
  const cases = read("./credential.json");
  assert.ok(cases.filter((found) => found.number !== null).length >= 10);
  for (const { name, digits, number, copy } of cases) {
    let found = null;
    try {
      const { claims } = decodeCredential(parseDigits(digits));
      found = claims.number;
      assert.deepEqual([claims.copy_purpose, claims.copy_recipient, claims.copy_valid_to], copy ?? [null, null, null], name);
    } catch (error) {
      assert.ok(error instanceof Malformed, `${name}: ${error}`);
    }
    assert.equal(found, number, name);
  }
});

test("no mutation gets past as another kind of error", () => {
  const cose = parseDigits(read("./credential.json")[0].digits);
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 5000; round += 1) {
    const altered = cose.slice(0, random(8) ? cose.length : random(cose.length));
    for (let n = 0; n <= random(3); n += 1) altered[random(cose.length)] = random(256);
    try {
      decodeCredential(altered);
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
  }
});

test("CBOR is the deterministic one of RFC 8949", () => {
  assert.equal(decodeCbor(bytes("1a000f4240")), 1000000);
  assert.equal(decodeCbor(bytes("3903e7")), -1000);
  assert.deepEqual(decodeCbor(bytes("8301820203820405")), [1, [2, 3], [4, 5]]);
  assert.equal(decodeCbor(bytes("63e6b0b4")), "水");
  const refused = ["", "18", "1817", "190017", "1a0000ffff", "1c", "1f", "5f4101ff", "9fff", "bfff", "c0", "f4", "f7",
    "f90000", "ff", "0001", "6180", "62c328", "63eda080", "5a7fffffff", "9a7fffffff", "9b00ffffffffffffff", "a10102f6",
    "a201020102", "a203040102", "a1616101", "a1410101", "8181818101", "1bffffffffffffffff"];
  for (const hex of refused) assert.throws(() => decodeCbor(bytes(hex)), Malformed, hex);
});

test("links have one shape and origins one normal form", () => {
  assert.equal(normalOrigin("https://Check.Example.ORG:443"), "https://check.example.org");
  assert.equal(normalOrigin("http://localhost:443"), "http://localhost:443");
  const id = "AAECAwQFBgcICQoLDA0ODw";
  assert.deepEqual(splitLink(`http://A/c/${id}#1#2`), { origin: "http://a", idText: id, fragment: "1#2" });
  for (const text of ["", "x", `http://a/c/${id}?q`, `http://u@a/c/${id}`, `http://a/c/${id}/`, `http://a/c/${id.slice(1)}`,
    `http://a/c/${id.slice(0, -1)}B`, `http://a:65536/c/${id}`, `javascript://a/c/${id}`, `http://a\n/c/${id}`, ` http://a/c/${id}`,
    `http://a/c/${id}\n`]) {
    assert.throws(() => splitLink(text), Malformed, text);
  }
});
