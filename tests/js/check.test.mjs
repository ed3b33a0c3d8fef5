import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { checkLink } from "./check.js";
import { decide } from "./verdict.js";

const table = read("./verdict_table.json");

for (const { name, text, live, want, number } of read("./scan.json")) {
  test(name, async () => {
    const { facts, claims } = await checkLink(text, live);
    const found = decide(table, facts, live.how);
    const reasons = Object.fromEntries(Object.entries(found.checks).map(([check, { reason }]) => [check, reason]));
    assert.deepEqual({ verdict: found.verdict, ...reasons }, want);
    assert.equal(claims?.number ?? null, number);
  });
}

test("what is shown is only ever what was proven", async () => {
  for (const { text, live } of read("./scan.json")) {
    const { facts, claims } = await checkLink(text, live);
    if (claims) assert.ok(facts.content === "proven" && facts.issuer !== "refused");
  }
});
