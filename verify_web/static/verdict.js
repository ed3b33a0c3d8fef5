// The verdict: runs the table of signing/verdict_table.json, as signing/verdict.py does. Pure.

const TONES = {
  altered: "bad",
  not_recognised: "bad",
  unknown: "bad",
  ended: "bad",
  suspended: "warn",
  replaced: "warn",
  expired: "warn",
  not_yet_valid: "warn",
  genuine_offline: "note",
  cannot_check: "unsure",
  valid: "note", // "good" only where all three checks passed
};
const HOWS = ["revoked", "annulled", "withdrawn", "cancelled", "copy_withdrawn", "unspecified"];

function first(rules, facts) {
  return rules.find((rule) =>
    Object.entries(rule.when).every(([axis, values]) => values.includes(facts[axis])),
  ); // the last rule of every list has no condition
}

// facts: {content, issuer, record, status, time, content_reason, issuer_reason, status_reason}; copy: whether it is an
// annotated copy that was checked.
// Returns {verdict, how, checks: {content, issuer, status: {result, reason}}, green, tone, heading}.
export function decide(table, facts, how = null, copy = false) {
  for (const [axis, values] of Object.entries(table.axes)) {
    if (!values.includes(facts[axis])) throw new Error("a fact is none of the table's");
  }
  const verdict = first(table.verdict, facts).then;
  const checks = {};
  for (const name of ["content", "issuer", "status"]) {
    const rule = first(table.checks[name], facts);
    checks[name] = { result: rule.then, reason: rule.reason ?? facts[`${name}_reason`] };
  }
  const ended = verdict === "ended";
  const asSaid = facts.status === "withdrawn" ? "copy_withdrawn" : how;
  const shownHow = ended ? (HOWS.includes(asSaid) ? asSaid : "unspecified") : null;
  const green = verdict === "valid" && Object.values(checks).every((check) => check.result === "passed");
  let heading = verdict;
  if (ended) heading = `ended_${shownHow}`;
  if (verdict === "valid" && !green) heading = "valid_not_compared";
  if (copy && (verdict === "valid" || verdict === "genuine_offline")) heading = `copy_${heading}`;
  const over = ["copy_expired", "code_over"].includes(checks.status.reason);
  if (verdict === "expired" && over) heading = checks.status.reason;
  return { verdict, how: shownHow, checks, green, tone: green ? "good" : TONES[verdict], heading };
}

export const CLOCK_SKEW = 300; // seconds, as keys/trust_list.py has it

// UTC, RFC 3339, whole seconds, as answers print an instant (seconds since 1970).
export const instant = (at) => `${new Date(at * 1000).toISOString().slice(0, 19)}Z`;

// The age of a status list at a moment; all in seconds since 1970.
export function ageOf({ iat, exp, ttl }, at) {
  if (at + CLOCK_SKEW < iat) return "future";
  if (at >= exp) return "expired";
  return at <= iat + ttl ? "fresh" : "old";
}

// What a status list of this age that says this value comes to: {status, reason}.
export function listed(table, age, value) {
  const axes = table.listed_axes;
  if (!axes.age.includes(age) || !axes.value.includes(value)) throw new Error("a status list says none of the table's");
  const rule = first(table.listed, { age, value });
  return { status: rule.then, reason: rule.reason ?? "status_not_asked" };
}
