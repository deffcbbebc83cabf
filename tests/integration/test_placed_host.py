"""Promise: where a strategy runs is changed while it runs, by `hadron enable NAME --placement P`, with what it knows, and taken back by `rollback`; it
comes back there after a stop, and after a kill, with its state; parameters reach it there; the journal of all that comes out again. A strategy
in a thread of its own that hangs is fenced: the host goes on, a person is told, its position is closed as configured, another version takes its place.

How: a strategy in Lua that wants one unit more with every hundredth trade; one that forgets begins with one unit again. Another one that hangs
when a parameter says so."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import Host, together, until

SCRIPT = """-- hadron: strategy counts 1.0.0
-- description: wants one unit more with every hundredth trade
-- requires: hadron.strategy/1
return hadron.strategy {
  params = { every = { type = "integer", default = 100, min = 1, max = 1000000, live = true, help = "trades" } },
  on_start = function(self) self.seen, self.want = self.seen or 0, self.want or 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.seen % self.params.every == 0 then
      self.want = self.want + 1
      self:target(hadron.quantity(tostring(self.want)))
    end
  end,
  save = function(self) return { seen = self.seen, want = self.want } end,
  load = function(self, saved) self.seen, self.want = saved.seen, saved.want end,
}
"""
CONFIG = """return {
  mode = "paper", engine = { threads = %s, shards = %d },
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 400, seed = 7 } } },
  strategies = { counts = { plugin = "./counts.lua", deployment = { warm = "0s" } } },
}
"""
HANGS = """return {
  mode = "paper", engine = { threads = %s, hang_after = "300ms" }, lua = { instructions_max = 9000000000000 },
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 400, seed = 7 } } },
  strategies = { counts = { plugin = "./counts.lua" }, hangs = { plugin = "./hangs.lua", placement = "thread", on_silent = "flatten" } },
}
"""


def row(host, name="counts"):
    rows = [r for r in host.strategies(name) if r["role"] == "live"]
    assert len(rows) == 1, rows
    return rows[0]


def held(host):
    return {p["instrument"]: p["quantity"] for p in host.ask("positions")["positions"]}


def grows(host, least=2):
    """It holds more than before, of both, and never began again."""
    before = held(host)
    until("it wants more", lambda: len(held(host)) == 2 and all(q >= max(before.get(i, 0) + 1, least) for i, q in held(host).items()))


def moves(host, placement):
    done = host.ask("enable", "counts", "--placement", placement)
    assert done["changed"] and done["swapped"] == 1 and done["state_bytes"] > 0, done
    now = row(host)
    assert now["placement"] == placement, now
    assert ("placed" in now) == (placement != "inline"), now
    return now


def verify(host):
    done = host.command("replay", "data/journal", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr


def whole(threads):
    with Host({"host.lua": CONFIG % ("true" if threads else "false", 2 if threads else 1), "counts.lua": SCRIPT}) as host:
        host.start("--quiet", "--json")
        assert row(host)["placement"] == "inline"
        grows(host)
        now = moves(host, "thread")
        assert now["placed"]["state"] == "there" and now["placed"]["restarts"] == 0, now
        grows(host, 3)
        assert row(host)["placed"]["decisions"] > 0 and row(host)["placed"]["refused"] == 0, row(host)
        assert not host.ask("enable", "counts", "--placement", "thread")["changed"]
        host.ask("set", "strategies.counts.params.every=50")
        grows(host)
        moves(host, "inline")
        grows(host)
        host.ask("rollback", "counts")
        assert row(host)["placement"] == "thread"
        grows(host)
        assert "placement" in str(host.revisions("counts")[1]["changes"]), host.revisions("counts")
        host.refused("enable", "counts", "--placement", "nowhere", code=2)
        host.stop()
        before = held_after(host)
        assert row(host)["placement"] == "thread" and row(host)["placed"]["state"] == "there"
        grows(host, max(before.values()))
        host.stop(signal.SIGKILL)
        before = held_after(host)
        grows(host, max(before.values()))
        host.stop()
        verify(host)


def held_after(host):
    host.start("--quiet", "--json")
    return held(host)


def hangs(threads):
    script = SCRIPT.replace("strategy counts", "strategy hangs").replace("params = {", "params = { hang = { type = 'bool', default = false, live = true, help = 'for ever' },")
    script = script.replace("self.seen = self.seen + 1\n", "while self.params.hang do end self.seen = self.seen + 1\n")
    with Host({"host.lua": HANGS % ("true" if threads else "false"), "counts.lua": SCRIPT, "hangs.lua": script}) as host:
        host.start("--quiet", "--json")
        until("it decides", lambda: row(host, "hangs")["placed"]["decisions"] > 1)
        host.ask("set", "strategies.hangs.params.hang=true")
        until("it is fenced", lambda: row(host, "hangs")["placed"]["state"] == "fenced")
        until("a person is told", lambda: "hangs (thread): is fenced" in host.text("err"))
        grows(host)  # the others do not notice
        host.write("good.lua", script.replace("hangs 1.0.0", "hangs 2.0.0").replace("while self.params.hang do end", ""))
        host.ask("registry", "add", "good.lua")
        done = host.ask("promote", "hangs@2.0.0")  # without the state of one that does not answer
        assert done["changed"] and done["state_bytes"] == 0, done
        until("the other one decides", lambda: row(host, "hangs")["placed"]["decisions"] > 1)
        host.stop()
        verify(host)


def comes_back():
    """A callback that takes long and returns after all: the instance stays fenced. It gets no more ticks, and what it decides on those that it still had does not count."""
    script = SCRIPT.replace("strategy counts", "strategy hangs").replace("default = 100", "default = 5")
    script = script.replace("params = {", "params = { turns = { type = 'integer', default = 0, min = 0, max = 100000000000, live = true, help = 'to waste' },")
    script = script.replace("self.seen = self.seen + 1\n", """self.seen = self.seen + 1
    if self.params.turns > 0 and not self.wasted then
      self.wasted = true
      for i = 1, self.params.turns do end
      hadron.log("info", "CAME_BACK", "to decide on what waits")
    end
""")
    with Host({"host.lua": HANGS % "false", "counts.lua": SCRIPT, "hangs.lua": script}) as host:
        host.start("--quiet", "--json")
        until("it decides", lambda: row(host, "hangs")["placed"]["decisions"] > 1)
        host.ask("set", "strategies.hangs.params.turns=150000000")
        until("it is fenced", lambda: row(host, "hangs")["placed"]["state"] == "fenced")
        assert "CAME_BACK" not in host.text("err")
        until("its position is closed", lambda: float(row(host, "hangs")["gross"]) == 0)
        was = row(host, "hangs")
        until("it has come back", lambda: "CAME_BACK" in host.text("err"))
        grows(host)
        now = row(host, "hangs")
        assert now["placed"]["state"] == "fenced" and now["placed"]["lost"] > was["placed"]["lost"], now
        assert now["placed"]["decisions"] == was["placed"]["decisions"] and now["turnover"] == was["turnover"], (was, now)
        host.stop()
        verify(host)


together((comes_back,), (whole, False), (whole, True), (hangs, False), (hangs, True), at_once=4)
