-- What the public site may read, applied by the owner after each migration: a check needs the licence, its
-- seal and their history, and whether a signature was made here. People, clients, keys, requests and intents
-- are not its business.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM vermilion_public;
GRANT SELECT ON
  agency,
  certificate,
  document,
  edition,
  event,
  leaf,
  licence,
  published_trust_list,
  seal,
  seal_edition,
  seal_state,
  seal_use,
  standing_authorisation,
  status_index,
  type_version
TO vermilion_public;
GRANT SELECT (digest, kind, signed) ON key_use TO vermilion_public;
