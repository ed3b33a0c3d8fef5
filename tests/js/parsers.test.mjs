import assert from "node:assert/strict";
import { test } from "node:test";

import { read } from "./setup.mjs";
import { checkLink } from "./check.js";
import { Malformed, hex, parseDigits, splitLink } from "./credential.js";
import { decide } from "./verdict.js";

// Texts with what Python makes of them: test_parsers.py writes the file.
const { digits, links, checks } = read("./parsers.json");
const table = read("./verdict_table.json");

// What a parser makes of a text; null where it refuses it, which it may in one way only.
function outcome(parse, text) {
  try {
    return parse(text);
  } catch (error) {
    assert.ok(error instanceof Malformed, `${JSON.stringify(text)}: ${error}`);
    return null;
  }
}

test("parseDigits reads what Python reads", () => {
  for (const [text, bytes] of digits) {
    assert.equal(outcome((given) => hex(parseDigits(given)), text), bytes, JSON.stringify(text));
  }
});

test("splitLink reads what Python reads", () => {
  for (const [text, parts] of links) {
    assert.deepEqual(outcome(splitLink, text), parts, JSON.stringify(text));
  }
});

for (const { name, live, answers } of checks) {
  test(`checkLink answers any text as Python does: ${name}`, async () => {
    for (const [text, answer] of answers) {
      const { facts, claims } = await checkLink(text, live);
      const { verdict, checks: found } = decide(table, facts, live.how);
      const said = [verdict, found.content.reason, found.issuer.reason, found.status.reason, claims?.number ?? null];
      if (answer) assert.deepEqual(said, answer, JSON.stringify(text));
    }
  });
}
