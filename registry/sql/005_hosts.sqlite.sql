-- Hosts and what they agree on, fifth migration, SQLite. Times are the database's: hosts' clocks differ.

-- state: 1 running, 2 stopped, 3 gone (its process is not there any more). process: boot, namespace, pid and start of the process, so that
-- whoever is on the same machine can tell that it is gone. stale_ns: silent for longer, and nobody knows what it does.
ALTER TABLE registry_hosts ADD COLUMN state INTEGER NOT NULL DEFAULT 1;
ALTER TABLE registry_hosts ADD COLUMN stale_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE registry_hosts ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE registry_hosts ADD COLUMN data_dir TEXT NOT NULL DEFAULT '';
ALTER TABLE registry_hosts ADD COLUMN process TEXT NOT NULL DEFAULT '';
-- error: why it does not run what it should.
ALTER TABLE registry_reports ADD COLUMN error TEXT NOT NULL DEFAULT '';

-- The hosts that a revision asked, and their answers. A revision without rows here asked nobody. state: 1 asked, 2 at work, 3 staged,
-- 4 failed. digest: what it has staged, in the form of the revision's own.
CREATE TABLE deployment_parties (
  name TEXT NOT NULL, revision INTEGER NOT NULL, host TEXT NOT NULL,
  state INTEGER NOT NULL, digest TEXT NOT NULL, error TEXT NOT NULL, time_ns INTEGER NOT NULL,
  PRIMARY KEY (name, revision, host),
  FOREIGN KEY (name, revision) REFERENCES deployment_revisions (name, revision)
);

-- The machine's clock is the database's; thousandths of a second are what it has.
CREATE VIEW v_clock AS SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000000 AS now_ns;
