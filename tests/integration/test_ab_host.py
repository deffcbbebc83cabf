"""Promise: in a running host a version that begins to trade passes the gate, or is refused with the comparison's words and a failed
revision; an operator may accept the difference. A live version that breaks a guard is replaced by the one before it, a canary becomes a
shadow, each by itself, with an alert, a journal record and a revision whose reason names the guard with both numbers. The report of
the running host knows the versions, their swaps and their latency.

The host trades on the simulated exchange with a strategy in Lua: 1.0.0, 1.1.0 with the same rules, 1.2.0 that decides otherwise, and
1.3.0 that fails when the session has gone on for a while, which no rehearsal sees. Waiting is asking again until an answer comes, at most WAIT_S seconds."""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import turns, until  # noqa: E402

CONFIG = """return {
  mode = "paper",
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 400, seed = 7 } } },
  engine = { errors_max = 1000000 },
  report = { equity_every = "100ms" },
  strategies = {
    trend = { plugin = "./turns.lua", params = { length = 5 },
              deployment = { warm = "10m", gate = 1, guard = { errors = 3 } } },
  },
}
"""

FAILS = 'if market.sequence > 3000 then error("it has lost its way") end'


class Host(host_of.Host):
    def __init__(self):
        super().__init__({"small.lua": CONFIG}, config="small.lua")
        self.version("1.0.0")

    def version(self, version, does="", size="5"):
        self.write("turns.lua", turns(version, does, size))

    def role(self, version):
        rows = [r["role"] for r in self.ask("status")["strategies"] if r["name"] == "trend" and r["version"] == version]
        return rows[0] if rows else None

    def last(self):
        return self.ask("history", "trend")["revisions"][-1]

    def in_journal(self, text):
        return any(text.encode() in open(p, "rb").read() for p in glob.glob(os.path.join(self.directory, "data/journal/journal-*.hdj")))  # noqa: SIM115


def check_gate(host):
    host.version("1.1.0", "-- the same rules")
    done = host.ask("reload", "trend")
    assert done["changed"] and host.role("1.1.0") == "live", done
    host.version("1.2.0", size="7")
    refused = host.command("reload", "trend")
    assert refused.returncode == 6 and "trend@1.2.0: gate: " in refused.stderr and "decisions (" in refused.stderr, refused
    assert "differ from the live version's over the last 1 recorded session, at most 0 % are accepted" in refused.stderr, refused.stderr
    assert host.role("1.1.0") == "live" and host.role("1.2.0") is None
    failed = host.last()
    assert failed["state"] == "failed" and "gate" in failed["error"], failed
    few = host.command("reload", "trend", "--accept-difference", "0.001")
    assert few.returncode == 6 and "at most 0.1 % are accepted" in few.stderr, few.stderr
    assert host.command("reload", "trend", "--accept-difference", "2").returncode == 2
    done = host.ask("reload", "trend", "--accept-difference", "1", "--why", "larger on purpose")
    assert done["changed"] and host.role("1.2.0") == "live", done


def check_live_guard(host):
    host.version("1.3.0", FAILS, size="7")
    done = host.ask("reload", "trend", "--accept-difference", "1")
    assert done["changed"], done
    until("the live version is rolled back", lambda: host.role("1.2.0") == "live" and host.last()["state"] == "active")
    row = host.last()
    assert row["command"] == "demote" and row["who"] == "guard", row
    assert row["why"].startswith("guard errors: ") and row["why"].endswith(" failed callbacks, at most 3 allowed"), row
    assert int(row["why"].split()[2]) > 3
    assert "the version before it trades again" in host.ask("status")["alert"]
    assert host.in_journal("the version before it trades again") and host.in_journal("demote trend@1.3.0")


def check_canary_guard(host):
    host.ask("ab", "trend", "1.2.0=0.5", "1.3.0=0.5", "--accept-difference", "1")
    until("the canary is a shadow", lambda: host.role("1.3.0") == "shadow" and host.last()["state"] == "active")
    row = host.last()
    assert row["command"] == "demote" and "guard errors" in row["why"], row
    assert host.role("1.2.0") == "live"
    assert "it goes on as a shadow" in host.ask("status")["alert"]


def check_report(host):
    report = host.ask("ab", "report", "trend")
    rows = {r["version"]: r for r in report["versions"]}
    assert set(rows) == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}, rows.keys()
    assert report["swaps"] >= 4, report["swaps"]
    assert rows["1.2.0"]["role"] == "live" and rows["1.2.0"]["latency_p99_ns"] > 0 and rows["1.2.0"]["errors"] == 0, rows["1.2.0"]
    assert rows["1.3.0"]["errors"] > 3, rows["1.3.0"]
    assert rows["1.0.0"]["decisions"] > 0 and rows["1.1.0"]["decisions"] > 0 and rows["1.0.0"]["periods"] > 0, (rows, report)
    assert {c["version"] for c in report["comparisons"]} == {"1.0.0", "1.1.0", "1.3.0"}
    assert all(c["recommendation"] in ("continue", "keep", "promote", "demote") and c["why"].endswith(".") for c in report["comparisons"])


def main():
    with Host() as host:
        host.start("--json", "--quiet")
        until("a market is recorded", lambda: host.ask("status")["ticks"] > 3000)
        check_gate(host)
        check_live_guard(host)
        check_canary_guard(host)
        check_report(host)
        host.stop()
    print("gate and guards hold")


if __name__ == "__main__":
    sys.exit(main())
