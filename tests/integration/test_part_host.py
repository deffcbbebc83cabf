"""Promise: a venue, the allocator and a service are exchanged by command while the host trades, in one thread and in many, and it ends in a
revision like any other change. A venue that is exchanged keeps its orders: they are the host's; the new version is told what is wanted, is asked
for every open order, and what was filled while nobody was connected is booked once; what was missed is a gap. The allocator changes between
two merges. A recorder loses and doubles nothing. A simulated market is exchanged too: what rests in it is cancelled first, and it trades on.
`set` reaches a service on its own thread, and every version of a strategy or the one that is named. What cannot be is refused with its
reason. Rollback goes back; the next start goes by the registry. The journal of all of it replays to the same bytes.

How: hosts of the built program, with plugins that are copied into their directory under another version: the digits of the version are raised
in the file. Waiting is asking again until an answer comes, at most WAIT_S seconds."""

import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import BUILD, Host, until
from host import PLUGINS as TEST_PLUGINS

PLUGINS = os.environ.get("HADRON_PLUGIN_DIR", os.path.join(BUILD, "plugins"))

QUOTES = """-- hadron: strategy quotes %s
-- description: keeps one order far below the market
-- requires: hadron.strategy/1
return hadron.strategy {
  params = { size = { type = "quantity", default = 1, live = true, help = "units" }%s },
  on_trade = function(self, price, size, market)
    self:work(1, "buy", self.params.size, hadron.price("50"))
  end,
}
"""

FAR = """return {
  mode = "paper", account = { cash = 1000000 }, normalize = { contiguous = true }, engine = { threads = %s, shards = %d },
  venues = { far = { plugin = "./far.so" } }, allocator = { plugin = "./net.so" },
  risk = { collar_bps = 0 },
  strategies = { quotes = { plugin = "./quotes.lua" } },
  services = { recorder = { plugin = "./recorder.so", params = { url = "sqlite:data/rows.sqlite" } } },
}
"""

SIM = """return {
  mode = "paper", account = { cash = 1000000 }, engine = { threads = %s, shards = %d },
  venues = { sim = { plugin = "./sim.so", params = { flow = "random", instruments = 3, rate = 300, seed = 7, entry_latency = "5ms" } } },
  strategies = { quotes = { plugin = "market_maker" }, turns = { plugin = "sma", params = { fast = 2, slow = 4, size = 10 } } },
}
"""


class PartHost(Host):
    def __init__(self, config, threads):
        super().__init__({"host.lua": config % ("true" if threads else "false", 2 if threads else 1)})

    def plugin(self, source, version):
        """The built plugin in the host's directory, as this version."""
        with open(source, "rb") as file:
            image = file.read()
        name = self.path(os.path.basename(source).replace("_venue", ""))
        assert image.count(b"1.0.0\0") > 0, source
        with open(name + ".new", "wb") as file:
            file.write(image.replace(b"1.0.0\0", version.encode() + b"\0"))
        os.chmod(name + ".new", 0o644)
        os.rename(name + ".new", name)

    def begin(self):
        return self.start("--json", "--quiet")

    def end(self):
        summary = json.loads(self.stop())
        assert summary["identity"], summary
        again = self.command("replay", "data", "--verify")
        assert again.returncode == 0, again.stdout + again.stderr
        return summary

    def orders(self):
        return {o["id"]: o for o in self.ask("orders")["orders"]}

    def versions(self):
        status = self.ask("status")
        return {r["name"]: r["version"] for r in status["venues"] + status["parts"]}

    def trades_on(self):
        until("ticks go on", lambda t=self.ask("status")["ticks"]: self.ask("status")["ticks"] > t + 20)


def rows(host, table):
    with sqlite3.connect(os.path.join(host.directory, "data/rows.sqlite")) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def a_far_exchange(threads):
    with PartHost(FAR, threads) as host:
        host.plugin(os.path.join(TEST_PLUGINS, "far_venue.so"), "1.0.0")
        host.plugin(os.path.join(PLUGINS, "net.so"), "1.0.0")
        host.plugin(os.path.join(PLUGINS, "recorder.so"), "1.0.0")
        host.write("quotes.lua", QUOTES % ("1.0.0", ""))
        host.begin()
        before = until("an order rests for each instrument", lambda: (lambda o: o if len(o) == 2 and all(r["state"] == "Accepted" for r in o.values()) else None)(host.orders()))
        assert host.versions() == {"far": "1.0.0", "allocator": "1.0.0", "recorder": "1.0.0"}, host.versions()
        gaps = host.ask("status")["gaps"]
        # the venue
        host.plugin(os.path.join(TEST_PLUGINS, "far_venue.so"), "1.1.0")
        done = host.ask("reload", "far", "--why", "a new adapter")
        assert done["changed"] and done["revision"] == 2 and done["changes"] == ["live: 1.0.0 -> 1.1.0"] and done["pause_ns"] > 0, done
        assert host.versions()["far"] == "1.1.0"
        until("what was filled meanwhile is known", lambda: host.ask("status")["executions"] == 1)
        filled = [i for i in before if i not in until("it is no open order any more", lambda: (lambda o: o if len(o) == 2 and set(o) != set(before) else None)(host.orders()))]
        assert len(filled) == 1, (before, host.orders())  # the other one rests where it was, under its id
        host.trades_on()
        until("a gap was seen", lambda: host.ask("status")["gaps"] > gaps)
        assert host.ask("status")["executions"] == 1 and sum(abs(p["quantity"]) for p in host.ask("positions")["positions"]) == 1
        # the allocator
        host.plugin(os.path.join(PLUGINS, "net.so"), "1.2.0")
        assert host.ask("reload", "allocator")["changed"] and host.versions()["allocator"] == "1.2.0"
        kept = set(host.orders())
        host.trades_on()
        assert set(host.orders()) == kept
        # the recorder, again and again
        for number in (1, 2, 3):
            host.plugin(os.path.join(PLUGINS, "recorder.so"), f"1.{number}.0")
            assert host.ask("reload", "recorder")["changed"]
        host.ask("set", "services.recorder.params.flush_interval=1ms")
        assert "the service" in host.command("set", "services.recorder.params.flush_interval=2ms", "risk.gross_max=1000").stderr.replace("one service", "the service")
        assert "url" in host.refused("set", "services.recorder.params.url=x") and "nobody" in host.refused("set", "services.nobody.params.x=1")
        # back, twice in a row
        assert host.ask("rollback", "far")["revision"] == 3 and host.versions()["far"] == "1.0.0"
        until("the second one was filled while it was away", lambda: host.ask("status")["executions"] == 2)
        # every version of a strategy hears what is set, or the one that is named
        host.write("quotes.lua", QUOTES % ("2.0.0", ', other = { type = "integer", default = 1, live = true, help = "of 2.0.0" }'))
        host.ask("registry", "add", "quotes.lua")
        host.ask("ab", "quotes", "1.0.0=0.5", "2.0.0=0.5", "--split", "instrument")
        splits = sorted(tuple(r["split"]) for r in host.ask("status")["strategies"])
        assert splits == [(0.0, 0.5), (0.5, 1.0)], splits
        assert "50 %" in host.command("status").stdout
        host.ask("set", "strategies.quotes.params.size=3")
        until("all of them work three", lambda: {o["quantity"] for o in host.orders().values()} == {3.0})
        host.ask("set", "strategies.quotes.params.other=2")  # the version that has it
        assert "other" in host.refused("set", "strategies.quotes@1.0.0.params.other=2")
        host.ask("set", "strategies.quotes@2.0.0.params.size=4")
        assert "9.9.9" in host.refused("set", "strategies.quotes@9.9.9.params.size=4")
        assert {o["quantity"] for o in host.orders().values()} <= {3.0, 4.0}
        # what cannot be
        words = host.refused("disable", "far")
        assert "only strategies are disabled" in words, words
        assert host.versions()["far"] == "1.0.0", (host.versions(), host.ask("history", "far"), host.text("err"))
        assert "9.9.9" in host.refused("promote", "far@9.9.9")
        summary = host.end()
        for table, count in (("hadron_ticks", "ticks"), ("hadron_strategy_decisions", "decisions"), ("hadron_order_executions", "executions")):
            assert rows(host, table) == summary[count], (table, rows(host, table), summary[count])
        assert [r["state"] for r in host.ask("history", "far")["revisions"]] == ["superseded", "superseded", "active"]
        host.begin()
        assert host.versions()["recorder"] == "1.3.0" and host.versions()["allocator"] == "1.2.0"
        host.end()


def a_simulated_market(threads):
    with PartHost(SIM, threads) as host:
        host.plugin(os.path.join(PLUGINS, "sim.so"), "1.0.0")
        host.begin()
        for number in range(1, 6):
            until(f"orders rest and trade, {number}", lambda: len(host.orders()) >= 2)
            until("fills", lambda e=host.ask("status")["executions"]: host.ask("status")["executions"] > e)
            host.plugin(os.path.join(PLUGINS, "sim.so"), f"1.{number}.0")
            assert host.ask("reload", "sim")["changed"] and host.versions()["sim"] == f"1.{number}.0"
        until("fills", lambda e=host.ask("status")["executions"]: host.ask("status")["executions"] > e + 5)
        status = host.ask("status")
        assert status["unknown_orders"] == 0, status
        assert "would have been lost with the simulated market" in host.text("err")
        the_house(host)
        host.end()


def the_house(host):
    """An arm that leaves: what it holds is the live one's, what it has earned stays in the sum, in the house's own book, and is shown."""
    assert "house" not in host.ask("status") and "(the house)" not in host.command("status").stdout
    host.plugin(os.path.join(PLUGINS, "sma.so"), "1.1.0")
    host.ask("registry", "add", "sma.so")
    host.ask("ab", "turns", "1.0.0=0.5", "1.1.0=0.5")
    canary = lambda: next(r for r in host.strategies("turns") if r["version"] == "1.1.0")
    until("the canary has traded", lambda: canary()["fees"] != 0 or canary()["realized"] != 0)
    host.ask("promote", "turns@1.0.0")
    house = host.ask("status")["house"]
    assert house["realized"] != 0 and house["unrealized"] == 0 and house["positions"] == {}, house
    assert "(the house)" in host.command("status").stdout


def main():
    for threads in (False, True):
        a_far_exchange(threads)
        a_simulated_market(threads)
    print("venue, allocator, recorder and a simulated market were exchanged, in one thread and in many")
    return 0


sys.exit(main())
