-- What the public site may read, applied by the owner after each migration: a check needs the licence, its
-- seal and their history, whether a signature was made here, and who asks by program. People, clients, keys,
-- requests and intents are not its business.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM vermilion_public;
GRANT SELECT ON
  agency,
  annotated_copy,
  certificate,
  certificate_authority,
  co_seal,
  document,
  edition,
  event,
  leaf,
  licence,
  presentation,
  published_result,
  published_trust_list,
  result_matter,
  revocation_list,
  seal,
  seal_edition,
  seal_state,
  seal_use,
  standing_authorisation,
  status_index,
  status_list_token,
  type_version
TO vermilion_public;
GRANT SELECT (digest, kind, signed) ON key_use TO vermilion_public;
GRANT SELECT (id, key_sha256, per_minute, per_day, active) ON verifier TO vermilion_public;

-- What the signer's policy asks before a key is used (registry/seals/custody.py), and the ledger that it alone
-- need write: a use is begun, then ended, and nothing of it is changed or removed.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM vermilion_signer;
GRANT SELECT ON
  agency,
  annotated_copy,
  approval,
  archive_statement,
  ceremony,
  certificate,
  certificate_status,
  certification_request,
  client,
  client_type,
  co_seal,
  data_key,
  document,
  document_stamp,
  edition,
  intent,
  key,
  licence,
  outside_certificate,
  outside_status,
  published_trust_list,
  revocation_list,
  seal,
  seal_edition,
  seal_edition_draft,
  seal_state,
  seal_use,
  standing_authorisation,
  status_list,
  status_list_token,
  time_stamp,
  trust_list_draft,
  type_version
TO vermilion_signer;
GRANT SELECT (subject_kind, subject, kind, effective_from, recorded_at, detail) ON event TO vermilion_signer;
GRANT SELECT (id, active) ON verifier TO vermilion_signer;
GRANT SELECT (key_id, record, ended_at), INSERT, UPDATE (ended_at, signed) ON key_use TO vermilion_signer;
GRANT SELECT (id, closed_at), INSERT, UPDATE (closed_at, begun, failed, digest) ON key_use_block TO vermilion_signer;

-- What OCSP, CRLs and time-stamps need: the status of certificates, which this role only reads, and the lists and
-- tokens that it announces. The signer's policy, under its own role, compares each with the record.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM vermilion_authority;
GRANT SELECT ON
  certificate,
  certificate_authority,
  key,
  published_trust_list,
  revocation_list,
  time_stamp
TO vermilion_authority;
GRANT SELECT ON alembic_version TO vermilion_authority;
GRANT INSERT, UPDATE (der) ON revocation_list TO vermilion_authority;
GRANT INSERT ON time_stamp TO vermilion_authority;

-- What an auditor's own tools read beside `vermilion audit`: what was done, and nothing about anybody but ids. The
-- role writes nothing, so what it reads is not itself an event; PostgreSQL's own log is the record of that.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM vermilion_auditor;
GRANT SELECT ON
  event,
  key_use,
  key_use_block,
  leaf,
  seal_use
TO vermilion_auditor;
