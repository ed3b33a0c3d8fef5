import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { Refused } from "./certificate.js";
import { checkOffline } from "./offline.js";
import { inflate, valueAt } from "./status_list.js";
import { readTrustList } from "./trust.js";
import { decide } from "./verdict.js";

const table = read("./verdict_table.json");
const { cases } = read("./offline.json");

async function trustOf({ trust, root_sha256: rootSha256, min_sequence: minSequence, at }) {
  try {
    return { trust: await readTrustList(trust, { at, rootSha256, minSequence }), refused: null };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { trust: null, refused: error.reason };
  }
}

for (const one of cases) {
  test(one.name, async () => {
    const { trust, refused } = await trustOf(one);
    assert.equal(refused, one.refused);
    const tokenOf = async (number) => one.lists[number] ?? null;
    const { facts, claims, asOf } = await checkOffline(table, one.text, trust, tokenOf, one.at);
    const { verdict, checks } = decide(table, facts);
    assert.deepEqual([verdict, checks.content.reason, checks.issuer.reason, checks.status.reason], one.want);
    assert.equal(asOf, one.as_of);
    assert.equal(claims?.number ?? null, one.number);
  });
}

const altered = (text, at) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);

test("no altered trust list and no altered status list is believed", async () => {
  const [one] = cases;
  const [token] = Object.values(one.lists);
  const { trust } = await trustOf(one);
  for (let step = 0; step < 200; step += 1) {
    const at = Math.floor((step * one.trust.length) / 200);
    if (one.trust[at] !== ".") assert.equal((await trustOf({ ...one, trust: altered(one.trust, at) })).trust, null, String(at));
  }
  for (let at = 0; at < token.length; at += 7) {
    if (token[at] === ".") continue;
    const { facts } = await checkOffline(table, one.text, trust, async () => altered(token, at), one.at);
    assert.equal(facts.status_reason, "status_list_refused", String(at));
  }
});

const deflate = async (bytes) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());

test("a bomb is not inflated", async () => {
  const bomb = await deflate(new Uint8Array(64 * 1024 * 1024));
  assert.ok(bomb.length < 100000);
  await assert.rejects(inflate(bomb, 2 ** 18), Refused);
  await assert.rejects(inflate(await deflate(new Uint8Array(2 ** 18 - 1)), 2 ** 18), Refused);
  assert.equal((await inflate(await deflate(new Uint8Array(2 ** 18)), 2 ** 18)).length, 2 ** 18);
});

test("the draft's lists: slots from the least significant bit", () => {
  const values = Uint8Array.from([0b11100100, 0b00000010]);
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((index) => valueAt(values, index)), ["valid", "invalid", "suspended", "replaced", "suspended", "valid"]);
  assert.throws(() => valueAt(values, 8), Refused);
  assert.throws(() => valueAt(values, -1), Refused);
});
