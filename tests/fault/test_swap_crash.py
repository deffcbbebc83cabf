"""Promise: whatever moment of a hot swap the host dies at, exactly one version is live after the next start: the old one until the journal
has the record of the change, the new one from then on; the deployment's history says what became of the revision, and the version that is
live trades. Both for a version that takes a state over and for one that was running as a shadow.

A real host dies at each named crash point (host/base/crash_point.c), by SIGKILL, and is started again on the same directory."""

import os
import re
import signal
import sys

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from support import host as host_of  # noqa: E402
from support.host import until  # noqa: E402

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 500, seed = 7 } } },
  strategies = { turns = { plugin = here("turns.lua"), deployment = { warm = "10m" } } },
}
"""
SCRIPT = """-- hadron: strategy turns %s
-- description: holds a position for some trades, then the other one
-- requires: hadron.strategy/1
return hadron.strategy {
  state = { "seen:int64" },
  on_start = function(self) self.seen = self.seen or 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.seen %% 5 == 0 then self:target(self.seen %% 10 == 0 and 500000000 or -500000000) end -- 1e-8 units
  end,
}
"""
BEFORE = {"change.pending", "change.staged", "change.agreed"}


def crash_points():
    with open(os.path.join(SOURCE, "host/base/crash_point.c")) as file:
        return [name for name in re.findall(r'"([a-z_.]+)"', file.read()) if name.startswith("change.")]


class Host(host_of.Host):
    def __init__(self):
        super().__init__({"small.lua": CONFIG, "turns.lua": SCRIPT % "1.0.0", "turns-2.lua": SCRIPT % "2.0.0"}, config="small.lua")

    def start(self, crash_at=""):
        return super().start("--quiet", environment={"HADRON_CRASH_AT": crash_at})

    def live(self):
        live = [row for row in self.strategies("turns") if row["role"] == "live"]
        assert len(live) == 1, live
        return live[0]["version"]


def dies_at(point, shadow):
    with Host() as host:
        host.start()
        host.ask("registry", "add", "turns-2.lua")
        if shadow:
            host.ask("ab", "turns", "1.0.0=1", "--shadow", "2.0.0")
        host.stop()
        # A start that finds a shadow in the deployment makes its seat by a change of its own.
        host.start(crash_at=point + ":2" if shadow and point not in {"change.pending", "change.active"} else point)
        host.command("promote", "turns@2.0.0", "--why", "a test")
        until(f"the host dies at {point}", host.died)
        assert host.process.returncode == -signal.SIGKILL, host.process.returncode
        host.start()
        assert host.live() == ("1.0.0" if point in BEFORE else "2.0.0"), (point, shadow, host.strategies("turns"))
        assert not any(r["state"] == "pending" for r in host.revisions("turns")), (point, host.revisions("turns"))
        until("it trades", lambda: host.ask("status")["executions"] > 0)
        host.ask("promote", "turns@2.0.0", "--why", "once more")
        assert host.live() == "2.0.0"
        host.stop()


def main():
    points = crash_points()
    assert len(points) >= 7, points
    for shadow in (False, True):
        for point in points:
            dies_at(point, shadow)
            print(f"{point}{' from a shadow' if shadow else ''}: one version is live")
    return 0


if __name__ == "__main__":
    sys.exit(main())
