"""Promise: a worker that ends in the middle of a bar and is started again goes on with it: the bars that follow are whole, as those of the same strategy
inline. Timers that it had when its state was last saved go off, in the next worker and in the next life of the host. A timer that a start asks for,
before there is a clock, counts from the first tick. What it does comes out the same in a replay.

How: one script twice, inline and in a worker that is killed; what a bar had in it is the size that it decides. Bars of ticks are the same to the
tick; those of time go the same way, and end where each side's clock is, which is no two numbers to compare."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import journal_bytes as journal  # noqa: E402
from host import Host, children, until  # noqa: E402

KILLS = 2
TIMERS = 2_000_000
TIMES = 1_000_000
SCRIPT = """-- hadron: strategy bars 1.0.0
-- description: its sizes say what its bars and timers were
-- requires: hadron.strategy/1 hadron.timer/1
return hadron.strategy {
  bars = { { kind = "tick", interval = "40" }, { kind = "time", interval = "1s" } },
  on_start = function(self)
    if self.count then return end
    self.count = 0
    self:after(hadron.duration("200ms"), 7)
  end,
  on_bar = function(self, bar)
    if bar.kind == "tick" then self:target(bar.volume) else self:target(hadron.quantity(tostring(%d + bar.ticks))) end
  end,
  on_timer = function(self, id, due)
    self.count = self.count + 1
    self:target(hadron.quantity(tostring(%d + self.count)))
    self:after(hadron.duration("200ms"), id)
  end,
  save = function(self) return { count = self.count } end,
  load = function(self, saved) self.count = saved.count end,
}
""" % (TIMES, TIMERS)
CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, engine = { worker_restarts = 1000 }, journal = { snapshot_every = 300 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 1, rate = 200, seed = 7 } } },
  strategies = { near = { plugin = "./bars.lua" }, away = { plugin = "./bars.lua", placement = "process" } },
}
"""


def decided(host):
    """[arm]: (cause, size) of its bars of ticks, of its bars of time, and its timers."""
    arms = {}
    for template, r in journal.read(host.path("data", "journal")):
        if template != journal.DECISION:
            continue
        ticks, times, timers = arms.setdefault(r["arm"], ({}, {}, []))
        size = r["quantity"] / 10**8
        if size > TIMERS:
            timers.append(int(size) - TIMERS)
        elif size > TIMES:
            times[r["cause"]] = int(size) - TIMES
        else:
            ticks[r["cause"]] = size
    return arms


def bars_of_ticks(host):
    return len(decided(host).get(2, ({}, {}, []))[0])


def timers(host):
    return len(decided(host).get(2, ({}, {}, []))[2])


def both(host):
    """Bars of ticks that ended with the same tick here and there."""
    arms = decided(host)
    return [cause for cause in arms[2][0] if cause in arms[1][0]]


def main():
    with Host({"host.lua": CONFIG, "bars.lua": SCRIPT}) as host:
        host.start("--quiet")
        until("a state was saved", lambda: host.ask("status")["snapshot"]["count"] > 0)
        until("its timers go", lambda: timers(host) > 3)
        ended = set()
        for _ in range(KILLS):
            pid = until("a worker", lambda: [p for p in children(host.process.pid) if p not in ended])[0]
            count = bars_of_ticks(host)
            until("a bar has begun", lambda: bars_of_ticks(host) > count)
            os.kill(pid, signal.SIGKILL)
            ended.add(pid)
            fired, mark = timers(host), max(decided(host)[2][0])
            until("its timers go again", lambda: timers(host) > fired)
            # One that is begun anew ends elsewhere ever after.
            until("its bars end where they should", lambda: [cause for cause in both(host) if cause > mark])
        host.stop()
        near, away = decided(host)[1], decided(host)[2]
        for cause in both(host):
            assert near[0][cause] == away[0][cause], (cause, near[0][cause], away[0][cause])
        assert away[1], "no bar of time"
        before = max(away[2])
        host.start("--quiet")
        until("the next life has its timers", lambda: decided(host)[2][2][-1] > before)
        host.stop()
        assert decided(host)[2][2].count(1) == 1, decided(host)[2][2]


if __name__ == "__main__":
    main()
