import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { ageOf, decide, listed } from "./verdict.js";

const table = read("./verdict_table.json");

test("every combination of facts gets the verdict that Python gives", () => {
  const { axes, rows } = read("./verdict.json");
  assert.equal(rows.length, 1728);
  for (const row of rows) {
    const words = row.split(" ");
    const facts = { content_reason: "c", issuer_reason: "i", status_reason: "s" };
    axes.forEach((axis, i) => (facts[axis] = words[i]));
    const found = decide(table, facts, null);
    const results = ["content", "issuer", "status"].map((name) => found.checks[name].result);
    const ofCopy = decide(table, facts, null, true).heading;
    assert.equal([found.verdict, ...results, found.heading, ofCopy].join(" "), words.slice(5).join(" "), row);
    assert.equal(found.green, found.heading === "valid");
    assert.equal(found.tone === "good", found.green);
  }
});

test("a fact that the table does not know is an error, never a verdict", () => {
  const facts = { content: "proven", issuer: "recognised", record: "known", status: "in_force", time: "within" };
  assert.equal(decide(table, facts).verdict, "valid");
  for (const axis of Object.keys(facts)) {
    assert.throws(() => decide(table, { ...facts, [axis]: "sure" }));
    assert.throws(() => decide(table, { ...facts, [axis]: undefined }));
  }
});

test("how it ended is one of six words", () => {
  const facts = { content: "proven", issuer: "recognised", record: "known", status: "ended", time: "within" };
  assert.equal(decide(table, facts, "revoked").heading, "ended_revoked");
  assert.equal(decide(table, facts, "__proto__").heading, "ended_unspecified");
  assert.equal(decide(table, facts).how, "unspecified");
});

test("a status list comes to what Python says it comes to", () => {
  const { ages, rows } = read("./listed.json");
  assert.deepEqual([...new Set(ages.map(({ age }) => age))].sort(), ["expired", "fresh", "future", "old"]);
  for (const { iat, exp, ttl, at, age } of ages) assert.equal(ageOf({ iat, exp, ttl }, at), age, String(at - iat));
  assert.equal(rows.length, 16);
  for (const row of rows) {
    const [age, value, status, reason] = row.split(" ");
    assert.deepEqual(listed(table, age, value), { status, reason }, row);
  }
  assert.throws(() => listed(table, "fresh", "sure"));
});
