#!/usr/bin/env bash
# Writes the secret files that docker-compose.yml mounts, into var/secrets. Existing ones are kept.
# The folder shuts other users of the host out; the files are readable so that the containers' users may.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p var/secrets
chmod 0700 var/secrets

new() { # file, text before the secret
  [ -e "var/secrets/$1" ] || printf '%s%s\n' "$2" "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" \
    >"var/secrets/$1"
  chmod 0444 "var/secrets/$1"
}

new postgres_password ''
new owner_pgpass '*:*:*:vermilion_owner:'
new public_pgpass '*:*:*:vermilion_public:'
new signer_pgpass '*:*:*:vermilion_signer:'
new auditor_pgpass '*:*:*:vermilion_auditor:'
new authority_pgpass '*:*:*:vermilion_authority:'
new passphrase ''
new figures ''
