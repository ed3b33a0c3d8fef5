// What the suites share: the vectors, and WebCrypto where Node does not yet have it as a global.

import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;

export const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
