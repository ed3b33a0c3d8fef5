#!/usr/bin/env bash
# Run once by PostgreSQL's image on an empty data directory, as superuser: the database and its roles.
# The owner migrates and writes; the public site's role reads, and only what grants.sql names; the signer's reads
# what its policy asks for, and writes the uses of keys; the authority's writes CRLs and time-stamps; an auditor's
# reads what was done.
set -euo pipefail

password() { cut -d: -f5- <"$1"; }

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  --set owner="$(password "$OWNER_PGPASS")" --set public="$(password "$PUBLIC_PGPASS")" \
  --set signer="$(password "$SIGNER_PGPASS")" --set auditor="$(password "$AUDITOR_PGPASS")" \
  --set authority="$(password "$AUTHORITY_PGPASS")" <<'SQL'
CREATE ROLE vermilion_owner LOGIN PASSWORD :'owner';
CREATE ROLE vermilion_public LOGIN PASSWORD :'public';
CREATE ROLE vermilion_signer LOGIN PASSWORD :'signer';
CREATE ROLE vermilion_auditor LOGIN PASSWORD :'auditor';
CREATE ROLE vermilion_authority LOGIN PASSWORD :'authority';
ALTER ROLE vermilion_auditor SET default_transaction_read_only = on;
ALTER ROLE vermilion_auditor SET log_statement = 'all';
ALTER ROLE vermilion_signer SET statement_timeout = '5s';
ALTER ROLE vermilion_public SET default_transaction_read_only = on;
ALTER ROLE vermilion_public SET statement_timeout = '5s';
CREATE DATABASE vermilion OWNER vermilion_owner;
-- Everybody may enter any other database, and write there: the image's own are the superuser's alone.
REVOKE ALL ON DATABASE vermilion, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE vermilion TO vermilion_public, vermilion_signer, vermilion_auditor,
  vermilion_authority;
\connect vermilion
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO vermilion_owner;
GRANT USAGE ON SCHEMA public TO vermilion_public, vermilion_signer, vermilion_auditor,
  vermilion_authority;
-- PostgreSQL lets everybody make large objects and write into the log of changes, which no grant on tables covers.
DO $$
DECLARE writes regprocedure;
BEGIN
  FOR writes IN
    SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message')
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', writes);
  END LOOP;
END $$;
SQL
