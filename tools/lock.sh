#!/usr/bin/env bash
# Resolves pyproject.toml into the hashed lock files. `tools/lock.sh --upgrade` takes newer versions.
# Needs uv: the one on PATH, the one named by UV, or one installed into build/uv for this purpose.
set -euo pipefail
cd "$(dirname "$0")/.."

# What this machine adds to the client's configuration is of no concern to the lock.
unset PIP_FIND_LINKS UV_FIND_LINKS PIP_EXTRA_INDEX_URL UV_EXTRA_INDEX_URL

uv=${UV:-$(command -v uv || true)}
if [ -z "$uv" ]; then
  [ -x build/uv/bin/uv ] || { python3 -m venv build/uv && build/uv/bin/pip install --quiet uv; }
  uv=build/uv/bin/uv
fi

compile() { # output, then what goes in
  local output=$1
  shift
  "$uv" pip compile "$@" --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command tools/lock.sh --output-file "$output" \
    "${upgrade[@]}" >/dev/null
}

upgrade=("$@")
compile requirements/run.txt pyproject.toml --extra registry --extra pkcs11 --group build
compile requirements/fuzz.txt --group fuzz
compile requirements/s3.txt --group s3
compile requirements/dev.txt pyproject.toml --extra registry --extra pkcs11 --group dev --constraint requirements/run.txt
