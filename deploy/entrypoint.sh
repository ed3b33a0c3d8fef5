#!/bin/sh
# libpq and the registry take secrets from files that nobody else can read; a mounted secret is often readable
# to more. Copied to the container's own tmpfs, they are neither in the environment nor in a URL.
set -eu
if [ -n "${VERMILION_PGPASS:-}" ]; then
  umask 077
  cp "$VERMILION_PGPASS" /tmp/pgpass
  export PGPASSFILE=/tmp/pgpass
  unset VERMILION_PGPASS
fi
if [ -n "${VERMILION_PASSPHRASE_FILE:-}" ]; then
  umask 077
  cp "$VERMILION_PASSPHRASE_FILE" /tmp/passphrase
  export VERMILION_PASSPHRASE_FILE=/tmp/passphrase
fi
if [ -n "${VERMILION_PKCS11_PIN_FILE:-}" ]; then
  umask 077
  cp "$VERMILION_PKCS11_PIN_FILE" /tmp/pin
  export VERMILION_PKCS11_PIN_FILE=/tmp/pin
fi
exec vermilion "$@"
