"""Writes docs/conformance.md: how the kit is used, and every check as its table has it.

`python -m registry.conform.page > docs/conformance.md`; a test holds the file to what this writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import registry.conform.client_checks
import registry.conform.server_checks  # noqa: F401  (which fill the tables)
from registry.conform.cases import NEEDED
from registry.conform.checks import CLIENT, SERVER, Check

HEAD = f"""# Conformance kit

Written by `python -m registry.conform.page > docs/conformance.md` from what the code looks at; a test
keeps it true.

`vermilion conform` plays an integrator's whole life cycle against a sandbox of the agency API, and says
of each promise whether it was kept. It judges two sides:

- **the sandbox** (`server.…`): the registry at `--base-url`, asked by the kit itself;
- **a client** (`client.…`): an agency's own system, told what to do step by step. It speaks to the
  sandbox through a proxy on the kit's machine, which records what it asks and disturbs it: the answer is
  lost after the licence was issued, 503 and 429 with `Retry-After`, 409 while a request is being served,
  a slow answer, a document cut in its middle, a token that has lapsed, a redirect to elsewhere, members
  of a later version. Webhooks come in another order, again, forged, altered and too late.

## Run it

```
vermilion conform --base-url http://localhost:8800 --credential var/credentials/agency-system.json
```

Without `--client` the client is our own: `clients/python/integrator.py` on the client that is made from
the description. The one in JavaScript: `--client "node clients/javascript/integrator.mjs"`. `--only
server` and `--only client` judge one side. All options: [commands.md](commands.md).

- **A sandbox is a registry whose licences are specimens (样本)**: its root is named TEST. The kit asks that
  by a dry run before it issues anything, and ends with exit code 64 where it is not so (`--force` issues
  all the same).
- **Credentials come from files** (mode 0600), never from arguments; the client is told the file's path.
- **Requests**: for the sample food business licence, each with a number of its own. For another type
  `--requests` names a file, `{{"requests": [...], "amend": {{...}}, "correct": {{...}}, "renew":
  {{...}}}}`: {NEEDED} bodies of `issueLicence`, each with a number that is free (those without a `number`
  serve again and again), and the fields that each next edition changes. `--seal` names the seal where the
  client does not see its agency's.
- **Webhooks**: the sandbox must reach the kit, `--listen ADDRESS:PORT` and, from outside, `--hooks-url`.
  On one machine its operator permits loopback: `VERMILION_WEBHOOK_NETWORKS=127.0.0.0/8`. Where it may
  not, these checks are skipped.
- **Bounds**: some twenty licences, ten minutes (`--minutes`), a minute a step
  (`--step-seconds`).

Each check is `passed`, `failed` (what was seen instead) or `skipped` (why). Exit code 0: none failed; 1:
one failed, or the sandbox cannot be asked; 64: wrong usage, or no sandbox. `--report FOLDER` holds the
same as `conformance.json` and, for whatever shows tests, `conformance.xml` (JUnit). Neither holds a
token, a secret or a body.

## A client of your own

`--client` is a command, run without a shell. It is told steps on standard input, a line of JSON each, and
answers each with a line on standard output; standard error is its own. `clients/python/integrator.py` is
an example of 200 lines.

```
{{"step": 3, "do": "issue", "with": {{"request": {{"type": "…", "seal": "…", "number": "…", …}}}}}}
{{"step": 3, "outcome": "done", "identifier": "1.2.156.3005.2.…", "sha256": "…"}}
```

| outcome | |
|---|---|
| `done` | It is done, for certain. |
| `waits` | It was accepted, and waits for its day: `scheduled` is the change's id. |
| `refused` | The registry refuses: `status`, `reason`. |
| `failed` | What became of it is not known, and the client has given up for now. |
| `not_supported` | The client has no such duty. What is about it is skipped. |

A client does what a step says by whatever it does in service: its queues, its retries, its records. It
keeps a key with each act, asks again by itself, and answers when it knows. One that is silent for three
steps is told no more.

| step | is told | tells |
|---|---|---|
| `connect` | `api` (the proxy), `audience` (what tokens are asked of), `credential` (a file) | |
| `who` | | |
| `preview` | `request` | |
| `issue` | `request` | `identifier` |
| `read` | `identifier` | `status` |
| `search` | `type`, `number` | `identifiers` |
| `amend`, `correct`, `replace`, `renew` | `identifier`, `request` | `identifier` of the next edition |
| `inspect`, `suspend`, `resume`, `end` | `identifier`, `request` | `status`; or `waits` |
| `withdraw` | `identifier`, `scheduled`, `request` | |
| `history` | `identifier` | `kinds` of the events |
| `past` | `identifier`, `at`, `clock` | `status` |
| `document` | `identifier` | `sha256` of what was fetched |
| `batch` | `requests` | `items`: `line`, `state`, `identifier`, once it has ended |
| `documents` | `batch` | `size` of the ZIP |
| `listen` | | `url`, on this machine, where it receives webhooks |
| `webhook` | `request` | `id` |
| `rotate` | `id`, `request` | |
| `heard` | | `events` that it counted (`event`, `type`); `statuses` by identifier (`status`) |
| `webhook_off` | `id`, `request` | |

A `request` is the body that the operation takes. The address that `webhook` registers is the kit's: it
holds the sandbox's deliveries back, and hands them on to `url` as they came, in another order and again;
what is forged it makes itself.
"""
TABLES = (
    ("What is looked at: the sandbox", SERVER),
    ("What is looked at: the client", CLIENT),
)


def page() -> str:
    """The whole file."""
    parts = [HEAD]
    for title, table in TABLES:
        parts += [f"## {title}", "", *_rows(table), ""]
    return "\n".join(parts)


def _rows(table: Mapping[str, Check]) -> Iterator[str]:
    yield "| id | is promised | where |"
    yield "|---|---|---|"
    for one in table.values():
        yield f"| `{one.id}` | {one.says} | {one.clause} |"


if __name__ == "__main__":
    sys.stdout.write(page())
