import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { checkLink } from "./check.js";
import { decide } from "./verdict.js";

const table = read("./verdict_table.json");

const ofCopy = (claims) => [claims.copy_purpose, claims.copy_recipient, claims.copy_valid_to];

for (const { name, text, live, want, number, copy, heading } of read("./scan.json")) {
  test(name, async () => {
    const { facts, claims } = await checkLink(text, live);
    const found = decide(table, facts, live.how, live.copy || (claims?.copy_valid_to ?? null) !== null);
    const reasons = Object.fromEntries(Object.entries(found.checks).map(([check, { reason }]) => [check, reason]));
    assert.deepEqual({ verdict: found.verdict, ...reasons }, want);
    assert.equal(claims?.number ?? null, number);
    assert.deepEqual(claims?.copy_valid_to ? ofCopy(claims) : null, copy);
    if (heading !== null) assert.equal(found.heading, heading);
  });
}

test("what is shown is only ever what was proven", async () => {
  for (const { text, live } of read("./scan.json")) {
    const { facts, claims } = await checkLink(text, live);
    if (claims) assert.ok(facts.content === "proven" && facts.issuer !== "refused");
  }
});
