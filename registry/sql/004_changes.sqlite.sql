-- Changes while it runs, fourth migration, SQLite: which version took over where, how versions share the instruments, corporate actions.
-- Units as in 001.

-- Arms: they trade the instruments whose share of 0..1000000 lies in [split_low, split_high); 0, 0: all.
ALTER TABLE deployments ADD COLUMN split_low INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN split_high INTEGER NOT NULL DEFAULT 0;

-- stage 1 the change has taken effect, 2 told afterwards: the first tick that the new one saw, and the pause. kind 1 strategy, 2 venue,
-- 3 allocator, 4 service. arm: the seat (venues: their number); other: the seat that the old one went to, 0: it has left.
CREATE TABLE hadron_swaps (
  journal INTEGER NOT NULL, position BIGINT NOT NULL,
  time_ns BIGINT NOT NULL, stage SMALLINT NOT NULL, kind SMALLINT NOT NULL, revision INTEGER NOT NULL,
  arm INTEGER NOT NULL, other INTEGER NOT NULL, name TEXT NOT NULL,
  from_version TEXT NOT NULL, version TEXT NOT NULL, from_digest TEXT NOT NULL, digest TEXT NOT NULL,
  last_sequence BIGINT NOT NULL, first_sequence BIGINT NOT NULL, state_size INTEGER NOT NULL, pause_ns BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
) WITHOUT ROWID;

-- Splits (numerator new shares for denominator old ones) and dividends (cash per share).
CREATE TABLE hadron_adjustments (
  journal INTEGER NOT NULL, position BIGINT NOT NULL, time_ns BIGINT NOT NULL, instrument INTEGER NOT NULL,
  numerator BIGINT NOT NULL, denominator BIGINT NOT NULL, dividend BIGINT NOT NULL,
  PRIMARY KEY (journal, position)
) WITHOUT ROWID;

CREATE VIEW v_swaps AS
  SELECT c.journal, c.position, strftime('%Y-%m-%d %H:%M:%S', c.time_ns / 1000000000, 'unixepoch') || printf('.%09d', c.time_ns % 1000000000) AS time, c.name, c.revision,
         CASE c.kind WHEN 1 THEN 'strategy' WHEN 2 THEN 'venue' WHEN 3 THEN 'allocator' WHEN 4 THEN 'service' END AS kind, c.arm,
         c.from_version, c.version, c.last_sequence, f.first_sequence, f.pause_ns
  FROM hadron_swaps c LEFT JOIN hadron_swaps f ON f.journal = c.journal AND f.stage = 2 AND f.name = c.name AND f.revision = c.revision AND f.position > c.position
    AND f.position = (SELECT min(n.position) FROM hadron_swaps n WHERE n.journal = c.journal AND n.stage = 2 AND n.name = c.name AND n.revision = c.revision AND n.position > c.position)
  WHERE c.stage = 1;
