// Certificates of our own two-tier shape (keys/path.py): strict DER, one path, exactly the extensions of a profile.
// Whatever is not that throws Refused. No DOM, no network.

import { hex } from "./credential.js";

export class Refused extends Error {
  constructor(reason, detail = reason) {
    super(detail);
    this.reason = reason;
  }
}

const MAX_CERTIFICATE = 8192;
const refuse = (detail, reason = "chain") => {
  throw new Refused(reason, detail);
};

// The table of keys/suite.py, by the AlgorithmIdentifier of a key: what its signatures are in X.509, JOSE and COSE.
const SUITES = new Map([
  ["301306072a8648ce3d020106082a8648ce3d030107", { jose: "ES256", cose: -7, curve: "P-256", hash: "SHA-256", size: 32, signs: "300a06082a8648ce3d040302" }],
  ["301006072a8648ce3d020106052b81040022", { jose: "ES384", cose: -35, curve: "P-384", hash: "SHA-384", size: 48, signs: "300a06082a8648ce3d040303" }],
  ["300d06092a864886f70d0101010500", { jose: "RS256", hash: "SHA-256", signs: "300d06092a864886f70d01010b0500" }],
]);
const RSA_BITS = 3072;

// Extensions that a profile rules, by OID: key usage, basic constraints, extended key usage, policies, OCSP no-check.
const USAGE = "551d0f";
const CONSTRAINTS = "551d13";
const POLICIES = "551d20";
const RULED = [USAGE, CONSTRAINTS, "551d25", POLICIES, "2b0601050507300105"];
const SIGNS = { critical: true, value: "03020780" };
const CERTIFIES = { critical: true, value: "03020106" };
const policy = (last) => ({ critical: false, value: `300d300b06092a811c973d028767${last}` }); // 1.2.156.3005.2.999.x
const PROFILES = {
  root: { [USAGE]: CERTIFIES, [CONSTRAINTS]: { critical: true, value: "30030101ff" } },
  issuing: { [USAGE]: CERTIFIES, [CONSTRAINTS]: { critical: true, value: "30060101ff020100" } },
  "trust-list": { [USAGE]: SIGNS, [POLICIES]: policy("06") },
  "status-list": { [USAGE]: SIGNS, [POLICIES]: policy("07") },
};

// One DER element at `at`: {tag, begin, body, end}; body..end is its content.
function element(bytes, at) {
  const tag = bytes[at];
  let length = bytes[at + 1];
  let body = at + 2;
  if (tag === undefined || length === undefined || (tag & 31) === 31) refuse("not DER");
  if (length > 127) {
    const count = length & 127;
    if (count < 1 || count > 3) refuse("a length");
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + (bytes[body + i] ?? refuse("cut short"));
    body += count;
    if (length < 128 || length < 256 ** (count - 1)) refuse("a length not in its shortest form");
  }
  if (body + length > bytes.length) refuse("cut short");
  return { tag, begin: at, body, end: body + length };
}

// The elements within one, which they fill.
function children(bytes, parent) {
  const found = [];
  for (let at = parent.body; at < parent.end; ) {
    const child = element(bytes, at);
    if (child.end > parent.end) refuse("an element reaches out of its parent");
    found.push(child);
    at = child.end;
  }
  return found;
}

function expect(found, ...tags) {
  if (found.length !== tags.length || found.some(({ tag }, i) => tag !== tags[i])) refuse("another structure");
  return found;
}

function seconds(bytes, { tag, body, end }) {
  const text = String.fromCharCode(...bytes.subarray(body, end));
  const match = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match || (tag === 0x17) !== (match[1] === undefined) || (tag !== 0x17 && tag !== 0x18)) refuse("a time");
  const [, century, year, ...rest] = match;
  const whole = Number(century ?? (Number(year) < 50 ? 20 : 19)) * 100 + Number(year); // RFC 5280, 4.1.2.5.1
  const [month, day, hour, minute, second] = rest.map(Number);
  const at = Date.UTC(whole, month - 1, day, hour, minute, second);
  const back = new Date(at);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) refuse("a time");
  return at / 1000;
}

function extensions(bytes, list) {
  const found = new Map();
  for (const each of children(bytes, list)) {
    if (each.tag !== 0x30) refuse("an extension");
    const parts = children(bytes, each);
    const critical = parts.length === 3;
    expect(parts, ...(critical ? [0x06, 0x01, 0x04] : [0x06, 0x04]));
    if (critical && hex(bytes.subarray(parts[1].begin, parts[1].end)) !== "0101ff") refuse("an extension");
    const oid = hex(bytes.subarray(parts[0].body, parts[0].end));
    if (found.has(oid)) refuse("an extension stands twice");
    const value = parts[parts.length - 1];
    found.set(oid, { critical, value: hex(bytes.subarray(value.body, value.end)) });
  }
  return found;
}

// What a certificate (DER, Uint8Array) says. Instants are seconds since 1970.
export function parseCertificate(der) {
  if (der.length > MAX_CERTIFICATE) refuse("too long");
  const whole = element(der, 0);
  if (whole.tag !== 0x30 || whole.end !== der.length) refuse("no certificate");
  const [tbs, algorithm, signature] = expect(children(der, whole), 0x30, 0x30, 0x03);
  const raw = ({ begin, end }) => der.subarray(begin, end);
  const [version, , inner, issuer, validity, subject, spki, last] = expect(
    children(der, tbs), 0xa0, 0x02, 0x30, 0x30, 0x30, 0x30, 0x30, 0xa3,
  );
  if (hex(raw(version)) !== "a003020102") refuse("another version");
  if (hex(raw(inner)) !== hex(raw(algorithm))) refuse("two algorithms");
  if (der[signature.body] !== 0) refuse("a signature of no whole octets");
  const times = children(der, validity);
  if (times.length !== 2) refuse("validity");
  const [list] = expect(children(der, last), 0x30);
  const key = children(der, spki);
  if (key.length !== 2) refuse("a key");
  const suite = SUITES.get(hex(raw(key[0])));
  if (!suite) refuse("a key of no suite of ours");
  return {
    tbs: raw(tbs),
    algorithm: hex(raw(algorithm)),
    signature: der.slice(signature.body + 1, signature.end),
    issuer: hex(raw(issuer)),
    subject: hex(raw(subject)),
    from: seconds(der, times[0]),
    to: seconds(der, times[1]),
    spki: raw(spki).slice(),
    suite,
    extensions: extensions(der, list),
  };
}

// Ecdsa-Sig-Value (RFC 3279, 2.2.3) as r || s.
function rawSignature(der, size) {
  const whole = element(der, 0);
  if (whole.tag !== 0x30 || whole.end !== der.length) refuse("no signature");
  const raw = new Uint8Array(2 * size);
  expect(children(der, whole), 0x02, 0x02).forEach(({ body, end }, i) => {
    const padded = der[body] === 0 && end - body > 1;
    const number = der.subarray(padded ? body + 1 : body, end);
    if (end === body || (padded ? number[0] < 128 : number[0] > 127) || number.length > size) refuse("a number of a signature");
    raw.set(number, (i + 1) * size - number.length);
  });
  return raw;
}

// Whether the key (SubjectPublicKeyInfo, of this suite) made a signature as JOSE carries it.
export async function signedByKey(spki, suite, signature, data) {
  const scheme = suite.curve
    ? { name: "ECDSA", namedCurve: suite.curve, hash: suite.hash }
    : { name: "RSASSA-PKCS1-v1_5", hash: suite.hash };
  if (signature.length !== (suite.curve ? 2 * suite.size : RSA_BITS / 8)) return false;
  let key;
  try {
    key = await crypto.subtle.importKey("spki", spki, scheme, false, ["verify"]);
  } catch {
    return false; // no point of the curve, or no key at all
  }
  const { modulusLength, publicExponent } = key.algorithm;
  if (!suite.curve && (modulusLength !== RSA_BITS || hex(publicExponent) !== "010001")) return false;
  return crypto.subtle.verify(scheme, key, signature, data);
}

// Whether `issuer` signed `certificate`, both parsed: by name and by key.
export async function issued(certificate, issuer) {
  const { suite } = issuer;
  if (certificate.issuer !== issuer.subject || certificate.algorithm !== suite.signs) return false;
  const signature = suite.curve ? rawSignature(certificate.signature, suite.size) : certificate.signature;
  return signedByKey(issuer.spki, suite, signature, certificate.tbs);
}

// Validity at each moment, and exactly the extensions that the profile gives.
export function requireProfile(certificate, name, ...moments) {
  if (moments.some((at) => at < certificate.from || at > certificate.to)) refuse(`the ${name} certificate is not valid at that time`);
  const wanted = PROFILES[name];
  for (const [oid, { critical, value }] of certificate.extensions) {
    if (!RULED.includes(oid)) {
      if (critical) refuse("an extension we do not know is critical");
    } else if (wanted[oid]?.critical !== critical || wanted[oid].value !== value) refuse(`not a ${name} certificate`);
  }
  if (Object.keys(wanted).some((oid) => !certificate.extensions.has(oid))) refuse(`not a ${name} certificate`);
}

export const suiteByJose = (name) => [...SUITES.values()].find(({ jose }) => jose === name);

// SubjectPublicKeyInfo of a point by its coordinates (Uint8Array of the field's size).
export function spkiOfPoint(suite, x, y) {
  const [algorithm] = [...SUITES].find(([, one]) => one === suite);
  const prefix = Uint8Array.from(algorithm.match(/../g), (pair) => parseInt(pair, 16));
  const bits = [0x03, 2 * suite.size + 2, 0, 4];
  return Uint8Array.from([0x30, prefix.length + 2 * suite.size + 4, ...prefix, ...bits, ...x, ...y]);
}
