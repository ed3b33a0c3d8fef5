/**
 * An agency's system in small, on the generated client: it does what `vermilion conform` tells it to do.
 *
 *     vermilion conform --base-url ... --credential ... --client "node clients/javascript/integrator.mjs"
 *
 * A step is a line of JSON on standard input, what came of it one on standard output (docs/conformance.md).
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import {
  ApiError,
  Client,
  NoAnswerError,
  NotModified,
  WebhookRefusedError,
  readWebhook,
} from "./vermilion_agency_client.mjs";

const POLL_MS = 500;
const secrets = [];
/** Each event counts once, and the newer of two says what a licence's status is. */
const events = new Map();
const statuses = {};
let client;

const wait = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function taken(headers, body) {
  let news;
  try {
    news = await readWebhook(headers, body, secrets);
  } catch (error) {
    if (error instanceof WebhookRefusedError) return 401;
    throw error;
  }
  const { event, identifier, status, status_version: version } = news.data;
  if (events.has(event)) return 204;
  events.set(event, { event, type: news.type });
  if (version !== undefined && !(statuses[identifier]?.status_version >= version)) {
    statuses[identifier] = { status, status_version: version };
  }
  return 204;
}

function listen() {
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(await taken(request.headers, new Uint8Array(Buffer.concat(parts))));
    response.end();
  });
  server.unref();
  return new Promise((heard) => {
    server.listen(0, "127.0.0.1", () => heard(`http://127.0.0.1:${server.address().port}/hooks`));
  });
}

const next = ({ body }) => ({ identifier: body.identifier, edition: body.edition });

/** 200: it is done; 202: it waits for its day. */
const changed = ({ status, body }) =>
  status === 202 ? { outcome: "waits", scheduled: body.scheduled.id } : { status: body.status };

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

const duties = {
  async connect({ api, audience, credential }) {
    client = new Client(api, JSON.parse(await readFile(credential, "utf8")), { audience });
    return {};
  },
  who: async () => ({ agency: (await client.whoAmI()).body.agency }),
  preview: async ({ request }) => ({ number: (await client.issueLicence(request, { dryRun: true })).body.number }),
  async issue({ request }) {
    const { identifier, document } = (await client.issueLicence(request)).body;
    return { identifier, sha256: document.sha256 };
  },
  async read({ identifier }) {
    const { status, status_version } = (await client.readLicence(identifier)).body;
    return { status, status_version };
  },
  search: async (wanted) => ({ identifiers: (await all(client.findLicencesAll(wanted))).map((one) => one.identifier) }),
  amend: async ({ identifier, request }) => next(await client.amendLicence(identifier, request)),
  correct: async ({ identifier, request }) => next(await client.correctLicence(identifier, request)),
  replace: async ({ identifier, request }) => next(await client.replaceLicence(identifier, request)),
  renew: async ({ identifier, request }) => next(await client.renewLicence(identifier, request)),
  inspect: async ({ identifier, request }) => changed(await client.inspectLicence(identifier, request)),
  suspend: async ({ identifier, request }) => changed(await client.suspendLicence(identifier, request)),
  resume: async ({ identifier, request }) => changed(await client.resumeLicence(identifier, request)),
  end: async ({ identifier, request }) => changed(await client.endLicence(identifier, request)),
  async withdraw({ identifier, scheduled, request }) {
    await client.withdrawScheduled(identifier, scheduled, request);
    return {};
  },
  history: async ({ identifier }) => ({ kinds: (await client.readHistory(identifier)).body.events.map((one) => one.kind) }),
  past: async ({ identifier, at, clock }) => ({ status: (await client.readPastStatus(identifier, { at, clock })).body.status }),
  async document({ identifier }) {
    const { body } = await client.readDocument(identifier);
    return { sha256: createHash("sha256").update(body).digest("hex") };
  },
  /** Accepted (202) is not issued: it is asked until it has ended, and then what became of each line. */
  async batch({ requests }) {
    let batch = (await client.sendBatch(requests)).body;
    while (batch.ended_at === null) {
      await wait(POLL_MS);
      batch = (await client.readBatch(batch.id)).body;
    }
    const items = (await all(client.readBatchItemsAll(batch.id))).map(({ line, state, identifier = null }) => ({
      line,
      state,
      identifier,
    }));
    return { batch: batch.id, state: batch.state, items };
  },
  documents: async ({ batch }) => ({ size: (await client.readBatchDocuments(batch)).body.length }),
  listen: async () => ({ url: await listen() }),
  async webhook({ request }) {
    const { id, secret } = (await client.createWebhook(request)).body;
    secrets.push(secret);
    return { id };
  },
  /** The old secret is kept: it goes on signing for a while. */
  async rotate({ id, request }) {
    secrets.push((await client.rotateWebhookSecret(id, request)).body.secret);
    return {};
  },
  heard: async () => ({ events: [...events.values()], statuses }),
  webhook_off: async ({ id, request }) => ({ state: (await client.deactivateWebhook(id, request)).body.state }),
};

async function done(step) {
  const duty = duties[step.do];
  if (duty === undefined) return { outcome: "not_supported" };
  try {
    return { outcome: "done", ...(await duty(step.with)) };
  } catch (error) {
    if (error instanceof ApiError) return { outcome: "refused", status: error.status, reason: error.reason };
    if (error instanceof NoAnswerError) return { outcome: "failed" };
    if (error instanceof NotModified) return { outcome: "done", unchanged: true };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  console.log(JSON.stringify({ step: step.step, ...(await done(step)) }));
}
