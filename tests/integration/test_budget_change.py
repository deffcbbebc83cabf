"""Promise: a deployment that changes nothing but the budget of a version takes effect at once, without another instance: the version goes on in
its seat with what it knows, comes under a governor, under another one, or under none, and is held to what is said now. In one thread and
in many.

How: a strategy in Lua that counts its trades and fails when a parameter says so, deployed again and again with other budgets."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import Host, until

SCRIPT = """-- hadron: strategy counts 1.0.0
-- description: wants one unit more with every hundredth trade
-- requires: hadron.strategy/1
return hadron.strategy {
  params = { fail = { type = "bool", default = false, live = true, help = "every callback" } },
  on_start = function(self) self.seen = 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.params.fail then error("as it was told") end
    if self.seen % 100 == 0 then self:target(hadron.quantity(tostring(self.seen // 100))) end
  end,
}
"""
CONFIG = """return {
  mode = "paper", engine = { threads = %s, shards = %d, errors_max = 0 },
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 400, seed = 7 } } },
  strategies = { counts = { plugin = "./counts.lua" } },
}
"""


def deploy(host, governor, why):
    host.write("d.lua", 'return { name = "counts", plugin = "counts", arms = { { version = "1.0.0" } }' + (f", governor = {{ {governor} }}" if governor else "") + " }\n")
    done = host.ask("deploy", "d.lua", "--why", why)
    assert done["changed"] and done["swapped"] == 0 and done["opened"] == 0 and done["closed"] == 0, done
    return row(host)


def row(host):
    rows = host.strategies("counts")
    assert len(rows) == 1, rows
    return rows[0]


def whole(threads):
    with Host({"host.lua": CONFIG % ("true" if threads else "false", 2 if threads else 1), "counts.lua": SCRIPT}) as host:
        host.start("--quiet", "--json")
        until("it holds two of each", lambda: len(host.ask("positions")["positions"]) == 2 and all(p["quantity"] >= 2 for p in host.ask("positions")["positions"]))
        before = row(host)
        assert before["governor"] is None
        held = {p["instrument"]: p["quantity"] for p in host.ask("positions")["positions"]}
        now = deploy(host, 'errors = 5, action = "warn"', "watch it")
        assert now["governor"]["budget"]["errors"] == 5 and now["governor"]["budget"]["action"] == "warn" and now["version"] == "1.0.0", now
        host.ask("set", "strategies.counts.params.fail=true")
        until("it was over", lambda: row(host)["governor"]["over"]["errors"] > 3)
        assert row(host)["fenced"] == 0
        host.ask("set", "strategies.counts.params.fail=false")
        # what it knew is still there: it goes on counting from where it was, it does not begin with one unit again
        until("it goes on", lambda: all(p["quantity"] > held[p["instrument"]] for p in host.ask("positions")["positions"]))
        now = deploy(host, 'errors = 2, action = "fence", watchdog = "60s"', "no more")
        assert now["governor"]["budget"]["errors"] == 2 and now["governor"]["over"]["errors"] == 0 and now["governor"]["budget"]["watchdog_ns"] == 60_000_000_000, now
        now = deploy(host, "", "trusted")
        assert now["governor"] is None, now
        host.ask("set", "strategies.counts.params.fail=true")
        until("it fails", lambda e=row(host)["errors"]: row(host)["errors"] > e + 20)
        assert row(host)["fenced"] == 0  # nobody holds it to anything
        deploy(host, 'errors = 2, action = "fence"', "no more after all")
        until("it is fenced", lambda: row(host)["fenced"] == 2)
        assert [r["why"] for r in host.revisions("counts")][1:] == ["watch it", "no more", "trusted", "no more after all"]
        host.stop()
        host.start("--quiet", "--json")
        assert row(host)["governor"]["budget"]["errors"] == 2
        host.stop()


def main():
    whole(False)
    whole(True)
    print("a budget changes without another instance")
    return 0


sys.exit(main())
