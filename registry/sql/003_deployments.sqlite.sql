-- Revisions of deployments, third migration, SQLite. Times: nanoseconds since the Unix epoch, UTC. Nothing here is ever changed or
-- deleted (triggers below): a revision is one row, and each of its states another. Whoever writes here does so in a transaction.

-- what: the deployment as JSON. command: what was asked ("promote", "config", "guard"). equals: the revision that it goes back to; 0: none.
CREATE TABLE deployment_revisions (
  name TEXT NOT NULL, revision INTEGER NOT NULL, plugin TEXT NOT NULL,
  time_ns INTEGER NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL, why TEXT NOT NULL,
  equals INTEGER NOT NULL, what TEXT NOT NULL,
  PRIMARY KEY (name, revision)
);

-- The last one counts. state: 1 pending, 2 active, 3 failed, 4 superseded.
CREATE TABLE deployment_states (
  name TEXT NOT NULL, revision INTEGER NOT NULL, number INTEGER NOT NULL,
  state INTEGER NOT NULL, time_ns INTEGER NOT NULL, host TEXT NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (name, revision, number),
  FOREIGN KEY (name, revision) REFERENCES deployment_revisions (name, revision)
);

CREATE VIEW v_deployments AS
  SELECT r.name, r.revision, r.plugin, r.time_ns, r.who, r.host, r.command, r.why, r.equals, r.what, s.state, s.time_ns AS state_ns, s.error
  FROM deployment_revisions r JOIN deployment_states s ON s.name = r.name AND s.revision = r.revision
  WHERE s.number = (SELECT max(n.number) FROM deployment_states n WHERE n.name = r.name AND n.revision = r.revision);

CREATE TRIGGER deployment_revisions_kept BEFORE UPDATE ON deployment_revisions BEGIN SELECT RAISE(ABORT, 'a revision is never changed'); END;
CREATE TRIGGER deployment_revisions_here BEFORE DELETE ON deployment_revisions BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END;
CREATE TRIGGER deployment_states_kept BEFORE UPDATE ON deployment_states BEGIN SELECT RAISE(ABORT, 'a state is never changed'); END;
CREATE TRIGGER deployment_states_here BEFORE DELETE ON deployment_states BEGIN SELECT RAISE(ABORT, 'a state is never deleted'); END;
