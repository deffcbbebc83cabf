"""Promise: what runs in a host changes by command while it trades, and every change is a numbered revision with who, when and why: reload,
promote, rollback, ab, disable, enable, deploy; the answer comes when it is done, says what was exchanged, and what cannot be is refused
with its reason and a stable exit code, without a change. The replaced version stays warm and goes when its time is over. What the
operator did is in the journal. The next start goes by the registry; without a host the registry is changed. A revision that was under
way when the host died becomes what the journal says.

Each case starts the built program in a directory of its own with the simulated exchange and a strategy in Lua of three versions. Waiting
is asking again until an answer comes, at most WAIT_S seconds."""

import glob
import json
import os
import signal
import socket
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import WAIT_S, turns, until  # noqa: E402

CONFIG = """return {
  mode = "paper",
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 200, seed = 7 } } },
  strategies = {
    trend = { plugin = "./turns.lua", params = { length = 5 }, deployment = { warm = "%s", arrival = "shadow" } },
    quiet = { plugin = "./turns.lua", role = "shadow" },
  },
}
"""


class Host(host_of.Host):
    def __init__(self, warm="10m"):
        super().__init__({"small.lua": CONFIG % warm, "turns.lua": turns("1.0.0")}, config="small.lua")

    def start(self, *arguments, **more):
        return super().start("--json", "--quiet", *arguments, **more)

    def version(self, version, load="self.seen = saved.seen"):
        """Another version of the plugin in the file that the configuration names."""
        self.write("turns.lua", turns(version, load=load))

    def seats(self):
        return [(r["version"], r["role"], r["warm"]) for r in self.ask("status")["strategies"] if r["name"] == "trend"]

    def history(self, name="trend"):
        return self.ask("history", name)["revisions"]

    def states(self):
        return [r["state"] for r in self.history()]

    def ticks(self):
        return self.ask("status")["ticks"]


def check_a_day():
    """Everything that an operator does, on one running host."""
    with Host() as host:
        host.start()
        assert host.seats() == [("1.0.0", "live", False)]
        first = host.history()
        assert len(first) == 1 and first[0]["state"] == "active" and first[0]["who"] == "config", first
        until("it trades", lambda: host.ask("positions")["positions"])
        same = host.ask("reload", "trend")
        assert not same["changed"] and same["revision"] == 1, same
        host.version("1.1.0")
        new = host.ask("reload", "trend", "--why", "it's \"faster\"")
        assert new["changed"] and new["revision"] == 2 and new["swapped"] == 1 and new["state_bytes"] > 0 and new["last_sequence"] > 0 and new["pause_ns"] > 0, new
        assert new["changes"] == ["live: 1.0.0 -> 1.1.0"], new
        assert host.seats() == [("1.1.0", "live", False), ("1.0.0", "shadow", True)]
        back = host.ask("rollback", "trend")
        assert back["revision"] == 3 and back["state_bytes"] == 0, back  # the warm one needs no state
        assert host.seats()[0] == ("1.0.0", "live", False)
        rows = host.history()
        assert [r["state"] for r in rows] == ["superseded", "superseded", "active"] and rows[2]["equals"] == 1 and rows[1]["why"] == "it's \"faster\"", rows
        assert "first" in host.refused("rollback", "trend")  # nothing before that
        # side by side
        ab = host.ask("ab", "trend", "1.0.0=0.75", "1.1.0=0.25", "--split", "instrument")
        assert [(a["version"], a["role"], a["weight"]) for a in ab["arms"]] == [("1.0.0", "live", 0.75), ("1.1.0", "canary", 0.25)], ab
        assert {row["revision"] for row in host.strategies("trend") if not row["warm"]} == {ab["revision"]}, host.strategies("trend")
        until("ticks go on", lambda t=host.ticks(): host.ticks() > t)
        assert "live version" in host.refused("disable", "trend@1.0.0")
        host.ask("disable", "trend@1.1.0")
        assert [s[:2] for s in host.seats() if not s[2]] == [("1.0.0", "live")], host.seats()
        # off and on
        host.ask("disable", "trend", "--why", "holiday")
        assert host.seats() == []
        assert not host.ask("disable", "trend")["changed"]
        host.ask("enable", "trend@1.1.0")
        assert host.seats() == [("1.1.0", "live", False)]
        # a file
        host.write("d.lua", 'return {\n  name = "trend", plugin = "turns",\n  arms = { { version = "1.1.0", params = { length = 7 } }, { version = "1.0.0", role = "shadow" } },\n'
                   '  warm = "1m",\n}\n')
        done = host.ask("deploy", "d.lua", "--why", "as written")
        assert "1.1.0: length = the configuration's -> 7" in done["changes"] and "+ shadow 1.0.0" in done["changes"], done
        assert sorted(s[:2] for s in host.seats() if not s[2]) == [("1.0.0", "shadow"), ("1.1.0", "live")], host.seats()
        # what cannot be
        revisions = len(host.history())
        assert "9.9.9" in host.refused("promote", "trend@9.9.9")
        assert "no strategy" in host.refused("promote", "nobody@1.0.0")
        assert "role" in host.refused("reload", "quiet")
        assert "revision 77" in host.refused("rollback", "trend", "--to", "77")
        host.write("bad.lua", 'return {\n  name = "trend", plugin = "turns", arms = {\n    { version = "one" } },\n  wram = 1 }\n')
        wrong = host.refused("deploy", "bad.lua", code=3)
        assert "bad.lua:4: wram: there is no such key; did you mean \"warm\"?" in wrong, wrong
        for words in (["promote", "trend"], ["promote"], ["ab", "trend"], ["ab", "trend", "1.0.0=0", "1.1.0=1"], ["ab", "trend", "1.0.0"], ["rollback", "trend", "--to", "x"], ["rollback", "trend@1.0.0"],
                      ["reload", "a", "b"], ["enable", "No Name"], ["history", "--why", "x"], ["promote", "trend@1.0.0", "--split", "capital"]):
            host.refused(*words, code=2)
        assert len(host.history()) == revisions
        journal = b"".join(open(name, "rb").read() for name in sorted(glob.glob(host.directory + "/data/journal/*.hdj")))
        for words in (b"reload trend: it's \"faster\"", b"rollback trend", b"ab trend 1.0.0=0.75 1.1.0=0.25", b"disable trend: holiday", b"enable trend@1.1.0", b"deploy trend: as written"):
            assert words in journal, words
        assert "Usage" in host.command("ab", "--help").stdout
        assert "superseded" in host.command("history").stdout
        host.stop()
        summary = json.loads(host.text("out"))
        assert summary["identity"], summary


def check_a_bad_version():
    """It does not take the state over: the old one goes on, and the reason is in the history."""
    with Host() as host:
        host.start()
        host.version("2.0.0", load='error("I know better")')
        words = host.refused("reload", "trend")
        assert "I know better" in words, words
        assert host.seats() == [("1.0.0", "live", False)]
        rows = host.history()
        # Refused at the door, by the probe, or at the swap, by the state: there is a reason either way.
        assert rows[-1]["state"] in ("active", "failed"), rows
        if rows[-1]["state"] == "failed":
            assert "I know better" in rows[-1]["error"], rows
        until("ticks go on", lambda t=host.ticks(): host.ticks() > t)
        host.version("2.0.1")
        assert host.ask("reload", "trend")["changed"]
        host.stop()


def check_warm_time():
    with Host(warm="1s") as host:
        host.start()
        host.version("1.1.0")
        host.ask("reload", "trend")
        until("the old one has gone", lambda: host.seats() == [("1.1.0", "live", False)])
        assert host.states() == ["superseded", "active"]  # no revision of its own
        assert host.ask("rollback", "trend")["state_bytes"] > 0  # a cold one takes the state
        host.stop()
        assert "kept warm for long enough" in host.text("err")


def check_the_next_start():
    with Host() as host:
        host.start()
        host.version("1.1.0")
        host.ask("reload", "trend")
        host.ask("ab", "trend", "1.1.0=1", "--shadow", "1.0.0")
        host.stop()
        # no host: the registry is changed
        assert len(host.history()) == 3
        off = host.ask("ab", "trend", "1.1.0=3", "1.0.0=1")
        assert not off["running"] and off["revision"] == 4, off
        assert "next start" in host.command("promote", "trend@1.0.0", "--why", "at night").stdout
        assert "9.9.9" in host.refused("promote", "trend@9.9.9")
        host.refused("promote", "nobody@1.0.0")
        host.start()
        assert host.seats() == [("1.0.0", "live", False)] and len(host.history()) == 5
        host.stop()
        host.ask("rollback", "trend")
        host.start()  # with a canary from the first tick
        assert sorted(s[:2] for s in host.seats()) == [("1.0.0", "canary"), ("1.1.0", "live")], host.seats()
        host.stop()
        host.ask("disable", "trend")
        host.start()
        assert host.seats() == []
        host.ask("enable", "trend")
        assert ("1.1.0", "live", False) in host.seats()
        host.stop()
        # by name and version, and without any registry
        host.write("other.lua", host.text("small.lua").replace('"./turns.lua", params', '"turns@1.0.0", params'))
        assert host.command("run", "other.lua", "--check").returncode == 0
        done = host.command("backtest", "small.lua", "--set", "strategies.trend.plugin=turns@1.1.0", "--duration", "5s", "--json")
        assert done.returncode == 0, done.stderr
        assert "turns" in host.command("backtest", "small.lua", "--set", "strategies.trend.plugin=turns@7.0.0", "--duration", "5s", "--json").stderr
        host.start("--no-registry")
        assert "without a registry" in host.refused("reload", "trend") and "revision" not in host.ask("status")["strategies"][0]
        host.stop()
        nowhere = tempfile.mkdtemp(prefix="hd", dir="/tmp")
        assert "no registry" in host.refused("promote", "trend@1.0.0", "--data-dir", nowhere, code=5)
        os.rmdir(nowhere)


def check_the_configuration_rules_its_own():
    """A revision that came from the configuration goes with it; one of an operator does not."""
    with Host() as host:
        host.start()
        host.stop()
        host.version("1.1.0")
        host.start()
        assert host.seats() == [("1.1.0", "live", False)] and [r["who"] for r in host.history()] == ["config", "config"]
        host.ask("promote", "trend@1.0.0")
        host.stop()
        host.version("1.2.0")
        host.start()
        assert host.seats() == [("1.0.0", "live", False)] and "hadron reload trend" in host.text("err")
        assert host.ask("reload", "trend")["changes"] == ["live: 1.0.0 -> 1.2.0"]
        host.stop()
        # the same version with other bytes runs, but is no version
        host.write("turns.lua", turns("1.2.0") + "-- changed\n")
        host.start()
        assert "bound to" in host.text("err")
        host.stop()


def check_under_way():
    """A pending revision of this host: active if the journal has its record, else failed."""
    with Host() as host:
        host.start()
        host.version("1.1.0")
        host.ask("reload", "trend")
        host.stop(signal.SIGKILL)
        database = sqlite3.connect(os.path.join(host.directory, "data", "registry.db"))
        # as if the host had died between the journal's record and the registry
        database.execute("DROP TRIGGER deployment_states_here")
        database.execute("DELETE FROM deployment_states WHERE revision = 2 AND state = 2")
        database.execute("DELETE FROM deployment_states WHERE revision = 1 AND state = 4")
        # and one that never took effect
        database.execute("INSERT INTO deployment_revisions SELECT name, 3, plugin, time_ns, who, host, command, why, equals, what FROM deployment_revisions WHERE revision = 1")
        database.execute("INSERT INTO deployment_revisions SELECT name, 4, plugin, time_ns, who, 'elsewhere', command, why, equals, what FROM deployment_revisions WHERE revision = 1")
        host_name = database.execute("SELECT host FROM deployment_revisions WHERE revision = 2").fetchone()[0]
        for revision in (3, 4):
            database.execute("INSERT INTO deployment_states VALUES ('trend', ?, 1, 1, 1, ?, '')", (revision, host_name))
        database.commit()
        database.close()
        host.start()
        assert host.states() == ["superseded", "active", "failed", "failed"], host.states()
        assert "elsewhere" in host.history()[-1]["error"]  # nobody else will say what became of it
        assert host.seats() == [("1.1.0", "live", False)]
        host.stop()


def check_a_book_waits():
    """What a strategy holds when it is switched off is its own, whatever happens to the host, until it is switched on again; and nothing is
    decided before the books are what they were."""
    with Host() as host:
        held = lambda: sorted((p["instrument"], p["quantity"]) for p in host.ask("positions")["positions"])  # noqa: E731
        host.start()
        until("it holds something", held)
        host.ask("disable", "trend")
        before = held()
        assert before
        for end in (host.kill, host.stop):
            end()
            host.start("--set", "strategies.trend.params.length=500")
            assert held() == before, (held(), before)
            assert "do not agree" not in host.text("err") and host.ask("status")["alerts"] == 0, host.text("err")
            assert host.seats() == []
        journal = os.path.join(host.directory, "data", "journal")
        kinds = [json.loads(line)["message"] for line in host.command("journal", "dump", journal, "--json").stdout.splitlines()]
        for at in [i for i, kind in enumerate(kinds) if kind == "session"]:
            later = [kind for kind in kinds[at:] if kind in ("recovered", "decision", "order")]
            assert not later or later[0] == "recovered", (at, later[:3])
        host.ask("enable", "trend")
        assert held() == before  # for five hundred trades it has nothing to do
        executions = host.ask("status")["executions"]
        until("it trades", lambda: host.ask("status")["executions"] > executions)
        host.stop()  # its end says whether the books add up
        figures = {f["metric"]: f["value"] for f in host.ask("registry", "show", "turns")["metrics"] if f["source"] == "trend, paper live"}
        assert figures["errors"] == 0 and figures["callbacks_measured"] >= 0, figures
        assert host.command("replay", journal, "--verify").returncode == 0


def check_drop_folder():
    """A file put there becomes a version, and does what the deployment says; a bad one is told why."""
    with Host() as host:
        host.start()
        drop = os.path.join(host.directory, "data", "plugins")
        until("the folder is there", lambda: os.path.isdir(drop))
        host.write("data/plugins/turns.lua", turns("1.1.0"))
        until("it came as a shadow", lambda: ("1.1.0", "shadow", False) in host.seats())
        rows = host.history()
        assert rows[-1]["who"] == "arrival" and "drop folder" in rows[-1]["why"], rows[-1]
        host.write("data/plugins/bad.lua", "return 5\n")
        until("it was rejected", lambda: glob.glob(drop + "/rejected/*reason*"))
        host.ask("disable", "trend@1.1.0")
        host.write("data/plugins/turns.lua", turns("1.2.0"))
        until("the next one came", lambda: ("1.2.0", "shadow", False) in host.seats())
        assert [s[:2] for s in host.seats()] == [("1.0.0", "live"), ("1.2.0", "shadow")], host.seats()
        host.stop()


def check_parts():
    """The venue, too, is a deployment: it is exchanged and gone back from, and its section rules it until somebody does."""
    with Host() as host:
        host.start()
        assert host.history("sim")[0]["what"]["kind"] == "venue"
        assert host.history("allocator")[0]["what"]["kind"] == "allocator"
        assert "only strategies" in host.refused("disable", "sim")
        assert not host.ask("reload", "sim")["changed"]
        host.stop()


def check_one_at_a_time():
    """Of many who ask at once each gets an answer, and the history has every change that was made, in order."""
    with Host() as host:
        host.start()
        host.version("1.1.0")
        host.ask("reload", "trend")
        clients = []
        for i in range(8):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(WAIT_S)
            client.connect(os.path.join(host.directory, "data", "hadron.sock"))
            version = "1.0.0" if i % 2 else "1.1.0"
            client.sendall(json.dumps({"command": "promote", "name": "trend", "version": version}).encode() + b"\n" + b'{"command":"help"}\n')
            clients.append(client)
        done = 0
        for client in clients:
            lines = client.makefile()
            answer, then = json.loads(lines.readline()), json.loads(lines.readline())
            assert then["ok"] and "commands" in then["result"], then  # the next request waits its turn
            assert answer["ok"] or "under way" in answer["error"]["text"], answer
            done += answer["ok"] and answer["result"]["changed"]
            client.close()
        assert len(host.history()) == 2 + done
        # who hangs up does not stop what was asked
        client = socket.socket(socket.AF_UNIX)
        client.connect(os.path.join(host.directory, "data", "hadron.sock"))
        before = len(host.history())
        now = host.seats()[0][0]
        client.sendall(json.dumps({"command": "promote", "name": "trend", "version": "1.0.0" if now == "1.1.0" else "1.1.0"}).encode() + b"\n")
        client.close()
        until("it was done", lambda: len(host.history()) == before + 1)
        host.stop()


def main():
    cases = [value for name, value in globals().items() if name.startswith("check_")]
    wanted = sys.argv[1:]
    for case in cases:
        if wanted and case.__name__ not in wanted:
            continue
        print(case.__name__)
        sys.stdout.flush()
        case()
    return 0


sys.exit(main())
