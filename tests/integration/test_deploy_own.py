"""Promise: a strategy that the configuration does not have is opened in a running host: `hadron enable NAME` of what is registered, `hadron
deploy FILE` with its universe, cash and limits. It trades from then on, it is changed, disabled and rolled back like any other, the registry's
active revision brings it back at the next start, and while the host is down it is opened for the next one. The others lose no tick and get
none twice. What is left out has a default that stays; what cannot be is refused with its reason, and nothing is left behind.

Each case runs with one thread and with shard and trade threads."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import turns, until  # noqa: E402

CONFIG = """return {
  mode = "paper",
  account = { cash = "100000" },
  engine = { threads = %s, shards = %d },
  venues = { sim = { params = { flow = "random", instruments = 4, rate = 400, seed = 7 } } },
  strategies = { watch = { plugin = "./watch.lua", universe = { "SIM00" } }, off = { plugin = "./turns.lua", enabled = false } },
}
"""
WATCH = """-- hadron: strategy watch 1.0.0
-- description: counts trades
-- requires: hadron.strategy/1
return hadron.strategy { on_trade = function(self, price, size, market) self.n = (self.n or 0) + 1 end }
"""
# A decision for every trade that it sees: the journal has both.
TELLS = """-- hadron: strategy watch 1.0.0
-- description: decides at every trade
-- requires: hadron.strategy/1
return hadron.strategy { on_trade = function(self, price, size, market)
  self.n = (self.n or 0) + 1
  self:target(hadron.quantity(self.n % 2 == 0 and "1" or "-1"))
end }
"""
PAIRS = """-- hadron: strategy pairs 1.0.0
-- description: over all of its universe
-- requires: hadron.strategy/1
return hadron.strategy { scope = "universe", on_trade = function(self, price, size, market) end }
"""
DEPLOY = """return {
  name = "%s", plugin = "turns", %s
  arms = { { version = "1.0.0", params = { length = 3 } } },
}
"""


class Host(host_of.Host):
    def __init__(self, threads, shards, watch=WATCH):
        super().__init__({"small.lua": CONFIG % ("true" if threads else "false", shards), "watch.lua": watch, "turns.lua": turns("1.0.0"), "pairs.lua": PAIRS}, config="small.lua")

    def start(self, *arguments, **more):
        super().start("--json", "--quiet", *arguments, **more)
        self.ask("registry", "add", "turns.lua")
        self.ask("registry", "add", "pairs.lua")
        return self

    def add(self, version):
        self.write("new.lua", turns(version))
        self.ask("registry", "add", "new.lua")

    def seats(self, name):
        return [(r["version"], r["role"]) for r in self.ask("status")["strategies"] if r["name"] == name and not r["warm"]]

    def row(self, name):
        return next(r for r in self.ask("status")["strategies"] if r["name"] == name)

    def traded(self, name):
        return lambda: self.row(name)["turnover"] > 0

    def history(self, name):
        return self.ask("history", name)["revisions"]

    def refusal(self, *words, code=6):
        done = self.command(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stderr


def check_enable(threads, shards):
    with Host(threads, shards) as host:
        host.start()
        assert "enable turns" in host.refusal("promote", "turns@1.0.0")
        assert "registry add" in host.refusal("enable", "nobody")
        assert "9.9.9" in host.refusal("enable", "turns@9.9.9")
        assert "switch it on there" in host.refusal("enable", "off")
        done = host.ask("enable", "turns", "--why", "just so")
        assert done["changed"] and done["revision"] == 1 and done["opened"] == 1 and done["arms"][0]["version"] == "1.0.0", done
        what = host.history("turns")[0]
        assert what["command"] == "enable" and what["what"]["cash"] == "50000" and len(what["what"]["hosts"]) == 1, what  # watch and this one
        until("it trades", host.traded("turns"))
        assert host.row("turns")["instances"] == 4 and abs(host.row("turns")["equity"] - 50000) < 5000, host.row("turns")
        assert not host.ask("enable", "turns")["changed"]
        # like any other
        host.add("1.1.0")
        assert host.ask("promote", "turns@1.1.0")["state_bytes"] > 0
        assert host.seats("turns") == [("1.1.0", "live")]
        assert host.ask("rollback", "turns")["changed"] and host.seats("turns") == [("1.0.0", "live")]
        host.ask("ab", "turns", "1.0.0=0.5", "1.1.0=0.5")
        assert sorted(host.seats("turns")) == [("1.0.0", "live"), ("1.1.0", "canary")]
        host.ask("set", "strategies.turns.risk.position_max=30")  # holds over the start
        host.ask("disable", "turns")
        assert host.seats("turns") == []
        host.ask("enable", "turns")
        assert len(host.seats("turns")) == 2
        host.ask("promote", "turns@1.1.0")
        host.stop()
        assert json.loads(host.text("out"))["identity"]
        host.start()  # the registry brings it back
        assert host.seats("turns") == [("1.1.0", "live")] and host.seats("watch") == [("1.0.0", "live")]
        assert host.history("turns")[-1]["what"]["cash"] == "50000"
        until("it trades", lambda t=host.row("turns")["turnover"]: host.row("turns")["turnover"] > t)
        host.ask("enable", "watch")
        assert "there is no deployment" not in host.refusal("enable", "watch@7.7.7")
        host.stop()
        assert json.loads(host.text("out"))["identity"]


def check_off_stays_off(threads, shards):
    with Host(threads, shards) as host:
        host.start()
        host.write("d.lua", DEPLOY.replace('plugin = "turns"', 'plugin = "still"').replace(", params = { length = 3 }", "") % ("idle", ""))
        host.write("still.lua", WATCH.replace("watch", "still"))
        host.ask("registry", "add", "still.lua")
        host.ask("deploy", "d.lua")
        assert host.seats("idle") == [("1.0.0", "live")]
        host.ask("disable", "idle")
        assert host.seats("idle") == []
        host.stop()
        host.start()
        assert host.seats("idle") == []
        host.ask("enable", "idle")
        assert host.seats("idle") == [("1.0.0", "live")]
        host.ask("disable", "idle")
        host.stop()
        host.ask("enable", "idle")  # while the host is down
        host.start()
        assert host.seats("idle") == [("1.0.0", "live")]
        host.stop()
        assert json.loads(host.text("out"))["identity"]


def check_book_stays(threads, shards):
    """What a strategy without a section held when it was switched off is its own again, over a crash too, and never the house's."""
    with Host(threads, shards) as host:
        host.start()
        host.write("d.lua", DEPLOY % ("fresh", 'universe = { "SIM01" }, cash = "50000",'))
        host.ask("deploy", "d.lua")
        until("it trades", host.traded("fresh"))
        host.ask("disable", "fresh")
        before = host.ask("positions")["positions"]
        host.kill()
        super(Host, host).start("--json", "--quiet")
        assert host.seats("fresh") == [] and "no longer there" not in host.text("err"), host.text("err")
        assert [(r["instrument"], r["quantity"]) for r in host.ask("positions")["positions"]] == [(r["instrument"], r["quantity"]) for r in before]
        host.ask("enable", "fresh")
        row = host.row("fresh")
        assert row["turnover"] > 0 and (row["gross"] > 0 or not before), (row, before)
        host.stop()
        assert json.loads(host.text("out"))["identity"]


def check_deploy(threads, shards):
    with Host(threads, shards) as host:
        host.start()
        host.write("d.lua", DEPLOY % ("mine", 'universe = { "SIM02", "SIM03" }, cash = "2000", venue = "sim", risk = { position_max = 4, order_rate_max = 50 }, arrival = "shadow",'))
        done = host.ask("deploy", "d.lua")
        assert done["opened"] == 1, done
        row = host.row("mine")
        assert row["instances"] == 2 and abs(row["equity"] - 2000) < 500, row
        until("its limit counts", lambda: host.ask("status")["denied_by"].get("POSITION_MAX"))
        # a version that arrives does what it says
        host.add("1.1.0")
        until("it came as a shadow", lambda: ("1.1.0", "shadow") in host.seats("mine"))
        until("that is done", lambda: not host.ask("status")["changes"])
        # the same file again changes what it says, and the seat is settled
        host.write("e.lua", DEPLOY % ("mine", 'universe = { "SIM01" }, cash = "2000",'))
        assert "settled when its seat is opened" in host.refusal("deploy", "e.lua")
        assert ("1.1.0", "shadow") in host.seats("mine")
        # several of one plugin
        host.write("f.lua", DEPLOY % ("yours", 'universe = { "SIM0*" },'))
        assert host.ask("deploy", "f.lua")["opened"] == 1 and host.row("yours")["instances"] == 4
        # refused, and nothing stays
        arms = len(host.ask("status")["strategies"])
        for text, words in (('universe = { "NONE*" },', "none of the 4 instruments"), ('venue = "elsewhere",', "no venue"), ("risk = { nothing = 1 },", "no such limit"),
                            ("risk = { drawdown = 'x' },", "drawdown"), ('enabled = true, hosts = {},', None)):
            host.write("g.lua", DEPLOY % ("bad", text))
            if words:
                assert words in host.refusal("deploy", "g.lua"), (text, words)
        assert len(host.ask("status")["strategies"]) == arms
        host.write("g.lua", DEPLOY % ("bad", 'universe = { "SIM00" },'))
        assert host.ask("deploy", "g.lua")["changed"]  # the name is good for another try
        assert [r["state"] for r in host.history("bad")][-1] == "active" and "failed" in [r["state"] for r in host.history("bad")]
        host.write("h.lua", DEPLOY % ("bad2", 'univers = { "SIM00" },'))
        assert 'did you mean "universe"' in host.refusal("deploy", "h.lua", code=3)
        # over its whole universe: only where that lies on one shard
        if shards == 1:
            assert host.ask("enable", "pairs")["opened"] == 1
            assert host.row("pairs")["instances"] == 1
        else:
            words = host.refusal("enable", "pairs")
            assert "several shards" in words, words
        host.stop()
        assert json.loads(host.text("out"))["identity"]
        off = host.ask("enable", "pairs")
        assert off["changed"] == (shards > 1), off
        host.start()
        assert host.seats("pairs") == [("1.0.0", "live")] and host.row("pairs")["instances"] == 1
        assert host.row("mine")["instances"] == 2 and ("1.1.0", "shadow") in host.seats("mine")
        host.stop()


def check_no_tick_is_lost(threads, shards):
    """What another strategy sees while seats are opened and closed: every trade of its instrument that the journal has, once."""
    with Host(threads, shards, TELLS) as host:
        host.start()
        for i in range(10):
            host.write("d.lua", DEPLOY % (f"s{i}", ""))
            host.ask("deploy", "d.lua")
            if i % 2:
                host.ask("disable", f"s{i - 1}")
        until("ticks go on", lambda t=host.ask("status")["ticks"]: host.ask("status")["ticks"] > t + 200)
        assert host.row("watch")["errors"] == 0
        host.stop()
        assert json.loads(host.text("out"))["identity"]
        rows = [json.loads(line) for line in host.command("journal", "dump", "--kind", "tick,decision", "--json").stdout.splitlines()]
        trades = [r["sequence"] for r in rows if r["message"] == "tick" and r["kind"] == "TRADE" and r["instrument"] == 1]
        seen = [r["cause"] for r in rows if r["message"] == "decision" and r["arm"] == 1]
        assert len(trades) > 100 and seen == trades, (len(trades), len(seen), len(set(seen)), sorted(set(trades) ^ set(seen))[:10])


def main():
    wanted = sys.argv[1:]
    for name, case in list(globals().items()):
        if name.startswith("check_") and (not wanted or name in wanted):
            for threads, shards in ((False, 1), (True, 2)):
                print(name, "threads" if threads else "one thread", flush=True)
                case(threads, shards)
    return 0


sys.exit(main())
