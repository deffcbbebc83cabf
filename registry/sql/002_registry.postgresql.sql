-- The registry's tables, second migration, PostgreSQL. Times: nanoseconds since the Unix epoch, UTC. Digests: SHA-256, hex. Kinds,
-- languages and states: docs/registry.md. Whoever writes here does so in a transaction of hd_database_begin: one at a time.

-- A file of the store, by its content. removed_ns: when `gc` took the file away; the row stays.
CREATE TABLE registry_artifacts (
  digest TEXT PRIMARY KEY, size BIGINT NOT NULL, language SMALLINT NOT NULL,
  added_ns BIGINT NOT NULL, removed_ns BIGINT
);

-- name@version is bound to one digest for ever: rows are not deleted, and digest, name and version do not change (triggers below).
CREATE TABLE registry_versions (
  name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL REFERENCES registry_artifacts (digest),
  kind SMALLINT NOT NULL, language SMALLINT NOT NULL, abi_major INTEGER NOT NULL, abi_minor INTEGER NOT NULL,
  state SMALLINT NOT NULL, description TEXT NOT NULL,
  manifest TEXT NOT NULL, parameters TEXT NOT NULL, probe TEXT NOT NULL,
  added_ns BIGINT NOT NULL, added_by TEXT NOT NULL, changed_ns BIGINT NOT NULL, changed_by TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (name, version)
);
CREATE INDEX registry_versions_by_digest ON registry_versions (digest);

-- Detached signatures (base64 of DER). key_id: SHA-256 of the public key. Whether one counts is judged when it is asked.
CREATE TABLE registry_signatures (
  name TEXT NOT NULL, version TEXT NOT NULL, key_id TEXT NOT NULL, signature TEXT NOT NULL, added_ns BIGINT NOT NULL,
  PRIMARY KEY (name, version, key_id),
  FOREIGN KEY (name, version) REFERENCES registry_versions (name, version)
);

-- Keys that hosts of this registry have trusted or revoked. Trust itself is a file of each host's key directory: a row here can take
-- trust away from a key on every host, and give it to none.
CREATE TABLE registry_keys (
  key_id TEXT PRIMARY KEY, name TEXT NOT NULL, public_key TEXT NOT NULL, added_ns BIGINT NOT NULL, added_by TEXT NOT NULL,
  revoked_ns BIGINT, revoked_by TEXT, reason TEXT
);

-- What a version did: figures of backtests, sessions, comparisons. source says which run, e.g. 'backtest:17', 'session:3f2a...'.
CREATE TABLE registry_metrics (
  name TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, metric TEXT NOT NULL,
  value DOUBLE PRECISION, time_ns BIGINT NOT NULL,
  PRIMARY KEY (name, version, source, metric)
);

-- Files that were refused.
CREATE TABLE registry_rejections (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, time_ns BIGINT NOT NULL, who TEXT NOT NULL, source TEXT NOT NULL,
  digest TEXT NOT NULL, code INTEGER NOT NULL, reason TEXT NOT NULL
);

-- Hosts of this registry, and what each says it runs: a rollout over several is complete when all report the same digest.
CREATE TABLE registry_hosts (
  host TEXT PRIMARY KEY, started_ns BIGINT NOT NULL, seen_ns BIGINT NOT NULL, hadron TEXT NOT NULL, control TEXT NOT NULL
);
CREATE TABLE registry_reports (
  host TEXT NOT NULL REFERENCES registry_hosts (host), deployment TEXT NOT NULL, revision INTEGER NOT NULL,
  digest TEXT NOT NULL, state TEXT NOT NULL, time_ns BIGINT NOT NULL,
  PRIMARY KEY (host, deployment)
);

-- Every change, in the order of its commit: hosts read what came after the last id they know.
CREATE TABLE registry_changes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, time_ns BIGINT NOT NULL, topic TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,
  who TEXT NOT NULL
);

CREATE FUNCTION registry_versions_refuse() RETURNS trigger LANGUAGE plpgsql AS
$body$ BEGIN RAISE EXCEPTION 'a version is bound to its digest for ever'; END $body$;
CREATE TRIGGER registry_versions_bound BEFORE UPDATE OF name, version, digest ON registry_versions
  FOR EACH ROW EXECUTE FUNCTION registry_versions_refuse();
CREATE TRIGGER registry_versions_kept BEFORE DELETE ON registry_versions
  FOR EACH ROW EXECUTE FUNCTION registry_versions_refuse();

-- The bell that hd_registry_watch listens for; it rings when the transaction commits.
CREATE FUNCTION registry_changes_notify() RETURNS trigger LANGUAGE plpgsql AS
$body$ BEGIN PERFORM pg_notify('hadron_registry', NEW.id::TEXT); RETURN NULL; END $body$;
CREATE TRIGGER registry_changes_bell AFTER INSERT ON registry_changes
  FOR EACH ROW EXECUTE FUNCTION registry_changes_notify();
