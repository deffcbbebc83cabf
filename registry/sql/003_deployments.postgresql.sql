-- Revisions of deployments, third migration, PostgreSQL. Times: nanoseconds since the Unix epoch, UTC. Nothing here is ever changed or
-- deleted (triggers below): a revision is one row, and each of its states another. Whoever writes here does so in a transaction.

-- what: the deployment as JSON. command: what was asked ("promote", "config", "guard"). equals: the revision that it goes back to; 0: none.
CREATE TABLE deployment_revisions (
  name TEXT NOT NULL, revision INTEGER NOT NULL, plugin TEXT NOT NULL,
  time_ns BIGINT NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL, why TEXT NOT NULL,
  equals INTEGER NOT NULL, what TEXT NOT NULL,
  PRIMARY KEY (name, revision)
);

-- The last one counts. state: 1 pending, 2 active, 3 failed, 4 superseded.
CREATE TABLE deployment_states (
  name TEXT NOT NULL, revision INTEGER NOT NULL, number INTEGER NOT NULL,
  state SMALLINT NOT NULL, time_ns BIGINT NOT NULL, host TEXT NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (name, revision, number),
  FOREIGN KEY (name, revision) REFERENCES deployment_revisions (name, revision)
);

CREATE VIEW v_deployments AS
  SELECT r.name, r.revision, r.plugin, r.time_ns, r.who, r.host, r.command, r.why, r.equals, r.what, s.state, s.time_ns AS state_ns, s.error
  FROM deployment_revisions r JOIN deployment_states s ON s.name = r.name AND s.revision = r.revision
  WHERE s.number = (SELECT max(n.number) FROM deployment_states n WHERE n.name = r.name AND n.revision = r.revision);

CREATE FUNCTION deployments_refuse() RETURNS trigger LANGUAGE plpgsql AS
$body$ BEGIN RAISE EXCEPTION 'a revision and its states are never changed or deleted'; END $body$;
CREATE TRIGGER deployment_revisions_kept BEFORE UPDATE OR DELETE ON deployment_revisions FOR EACH ROW EXECUTE FUNCTION deployments_refuse();
CREATE TRIGGER deployment_states_kept BEFORE UPDATE OR DELETE ON deployment_states FOR EACH ROW EXECUTE FUNCTION deployments_refuse();
