// What lies on this device for checks without a network: the trust list and the status lists, as the site published
// them, in Cache Storage, and beside them the pinned root and the highest sequence seen. Whatever is read from there is
// verified again. Nothing about any licence, and no code that was scanned, is ever put there. No DOM.

import { Refused } from "./certificate.js";
import { MAX_TOKEN, authentic, uriOf } from "./status_list.js";
import { MAX_LIST, readTrustList } from "./trust.js";
import { ageOf } from "./verdict.js";

const STORE = "vermilion-lists";
const TRUST = "/.well-known/elicence/trust-list";
const STATE = "/offline/state"; // a name within the store; the site is never asked for it
const HOUR = 3600;
const DAY = 24 * HOUR;
const MAX_NAMES = 256 * 1024;
export const MAX_TOTAL = 4 * 1024 * 1024; // octets of all status lists kept
const place = (number) => `/status/${number}`;

const open = () => caches.open(STORE);

async function load(store, path) {
  const found = await store.match(path);
  return found ? { text: await found.text(), etag: found.headers.get("etag") } : null;
}

const save = (store, path, text, etag = null) => store.put(path, new Response(text, { headers: etag ? { etag } : {} }));

async function readState(store) {
  const found = await load(store, STATE);
  try {
    const { root, sequence, triedAt, askedAt, named, trouble } = JSON.parse(found.text);
    return { root, sequence, triedAt, askedAt, named, trouble };
  } catch {
    return null; // none yet
  }
}

// A body of at most so many octets, as text; Refused beyond.
async function bounded(response, most) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let length = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new Refused("too_large");
    }
    text += decoder.decode(value, { stream: true });
  }
}

// What the site has there: {text, etag}, `kept` where it has not changed, null where it has none.
async function ask(path, kept, accept, most) {
  const headers = { Accept: accept, ...(kept?.etag ? { "If-None-Match": kept.etag } : {}) };
  const response = await fetch(path, { headers, cache: "no-store", credentials: "omit", redirect: "error" });
  if (response.status === 304 && kept) return kept;
  if (!response.ok) return null;
  return { text: await bounded(response, most), etag: response.headers.get("etag") };
}

// The trust list that lies here, verified at `at` (seconds since 1970): {trust, refused, state}; `trust` null where there
// is none to be believed, and then why.
export async function held(at) {
  const store = await open();
  const [state, kept] = [await readState(store), await load(store, TRUST)];
  if (!state || !kept) return { trust: null, refused: "missing", state };
  try {
    const trust = await readTrustList(kept.text, { at, rootSha256: state.root, minSequence: state.sequence });
    return { trust, refused: null, state };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { trust: null, refused: error.reason, state };
  }
}

// A status list's token as it lies here, or null.
export async function tokenOf(number) {
  return (await load(await open(), place(number)))?.text ?? null;
}

// How well this device could check without a network now: {ready: "yes" | "old" | "no", trust, lists, left, oldest, state}.
// "old" once a list that it would check by is of more than a day ago; `left`: lists that did not fit, or could not be had.
export async function readiness(at) {
  const { trust, state } = await held(at);
  if (!trust) return { ready: "no", trust, lists: [], left: 0, oldest: at, state };
  const lists = [];
  for (const number of state.named) {
    const text = await tokenOf(number);
    if (text === null) continue;
    try {
      const { iat, exp, ttl } = await authentic(text, uriOf(trust, number), trust);
      if (["fresh", "old"].includes(ageOf({ iat, exp, ttl }, at))) lists.push({ number, iat, exp });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  const oldest = Math.min(at, ...lists.map(({ iat }) => iat));
  const left = state.named.length - lists.length;
  const ready = lists.length === 0 ? "no" : at - oldest > DAY ? "old" : "yes";
  return { ready, trust, lists, left, oldest, state };
}

// Ask the site for what is new, at most once an hour. `root`: SHA-256 of the root's certificate by the page that asks,
// which is pinned when this device has none yet, and never moved after. Resolves to whether it was asked.
export async function refresh(at, root) {
  const work = () => renew(at, root);
  if (!navigator.locks) return work();
  return navigator.locks.request(STORE, { ifAvailable: true }, (lock) => (lock ? work() : false));
}

async function renew(at, root) {
  const store = await open();
  const state = (await readState(store)) ?? { root, sequence: 0, triedAt: 0, askedAt: 0, named: [], trouble: null };
  if (!state.root || (at - state.triedAt < HOUR && at >= state.triedAt)) return false;
  const note = (changes) => save(store, STATE, JSON.stringify(Object.assign(state, changes)));
  const kept = await load(store, TRUST);
  const found = await ask(TRUST, kept, "application/jwt", MAX_LIST);
  if (!found) return false;
  let trust;
  try {
    trust = await readTrustList(found.text, { at, rootSha256: state.root, minSequence: state.sequence });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // What lies here stays, for as long as it holds. A root under which nothing was verified yet is not pinned.
    if (state.sequence) await note({ trouble: error.reason, triedAt: at });
    return true;
  }
  if (found !== kept) await save(store, TRUST, found.text, found.etag);
  await note({ sequence: trust.sequence, trouble: null });
  const numbers = await named(trust);
  if (!numbers) {
    await note({ triedAt: at });
    return true;
  }
  await note({ named: numbers });
  await renewLists(store, trust, numbers, at);
  await note({ askedAt: at, triedAt: at });
  return true;
}

// Numbers of all lists, newest first; null where the site does not say.
async function named(trust) {
  const found = await ask(place(""), null, "application/json", MAX_NAMES);
  let addresses;
  try {
    ({ status_lists: addresses } = JSON.parse(found.text));
  } catch {
    return null;
  }
  if (!Array.isArray(addresses)) return null;
  const numbers = addresses
    .filter((address) => typeof address === "string" && address.startsWith(trust.statusLists))
    .map((address) => address.slice(trust.statusLists.length))
    .filter((number) => /^(?:0|[1-9][0-9]{0,8})$/.test(number));
  return [...new Set(numbers.map(Number))].sort((one, other) => other - one);
}

// All lists, newest first, as far as they fit; what is no longer named goes once it has expired.
async function renewLists(store, trust, numbers, at) {
  let total = 0;
  let full = false; // once one did not fit, older ones are not asked for
  for (const number of numbers) {
    const kept = await load(store, place(number));
    let found = null;
    if (!full) {
      try {
        found = await ask(place(number), kept, "application/statuslist+jwt", Math.min(MAX_TOKEN, MAX_TOTAL - total));
        if (found && found !== kept) {
          const list = await authentic(found.text, uriOf(trust, number), trust);
          const newer = !kept || list.iat >= (await issuedAt(kept, number, trust));
          // One from the future, by a clock that is slow, says nothing: the one before it may.
          if (!newer || (kept && ageOf(list, at) === "future")) found = kept;
          else await save(store, place(number), found.text, found.etag);
        }
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        full = error.reason === "too_large" && MAX_TOTAL - total < MAX_TOKEN;
        found = full ? null : kept;
      }
      if (!found && !full) found = kept; // the site did not give it now
      if (found && total + found.text.length > MAX_TOTAL) [found, full] = [null, true];
    }
    if (found) total += found.text.length;
    else await store.delete(place(number));
  }
  for (const { url } of await store.keys()) {
    const number = /^\/status\/([0-9]+)$/.exec(new URL(url).pathname)?.[1];
    if (number === undefined || numbers.includes(Number(number))) continue;
    const kept = await load(store, place(number));
    if ((await expiry(kept, number, trust)) <= at) await store.delete(place(number));
  }
}

const ofList = (member) => async (kept, number, trust) => {
  try {
    return (await authentic(kept.text, uriOf(trust, number), trust))[member];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return 0; // what cannot be believed gives way
  }
};
const issuedAt = ofList("iat");
const expiry = ofList("exp");

// Everything that lies here, the pin included: a deliberate act of whoever holds the device.
export const forget = () => caches.delete(STORE);
