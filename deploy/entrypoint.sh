#!/bin/sh
# libpq takes passwords from a file that nobody else can read; a mounted secret is often readable to more.
# Copied to the container's own tmpfs, the password is neither in the environment nor in a URL.
set -eu
if [ -n "${VERMILION_PGPASS:-}" ]; then
  umask 077
  cp "$VERMILION_PGPASS" /tmp/pgpass
  export PGPASSFILE=/tmp/pgpass
  unset VERMILION_PGPASS
fi
exec vermilion "$@"
