"""Promise: a host that is killed at any moment, with orders under way to a venue that misbehaves, loses no order that the venue took, sends
no client order id twice, and after its next start knows every fill once and holds what the venue says it holds; what was unknown has been
found out by asking.

How: the built program in live mode, SIGKILL 1 to 300 ms after its start or under load, against tests/support/tcp_venue.py, a process of its
own with the truth in a file, which is killed at times too. After every kill the market is frozen, the host is started again, and its
answers and its journal must come to equal the truth; in half of the worlds a recorder writes along, and its rows must too. First, that the audit bites: with a bug planted in the venue's plugin it must fail. HADRON_BLACKBOX_RUNS: how many kills (script/test --fault: 200); HADRON_TEST_SEED
repeats a run's choices, though not the machine's timing; a world that failed keeps its directory."""

import csv
import json
import os
import random
import select
import sqlite3
import subprocess
import sys
import time

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from support.host import PLUGINS, Host  # noqa: E402
from support.tcp_venue import SYMBOLS  # noqa: E402

RUNS = int(os.environ.get("HADRON_BLACKBOX_RUNS", "12"))
SEED = int(os.environ.get("HADRON_TEST_SEED", str(time.time_ns() % 1_000_000_007)))
WORLD_RUNS = 10   # kills of one world: its journal grows, its orders too
SETTLE_S = 60     # at most until host and venue agree; a machine that is busy may need some of it

CONFIG = """return {
  mode = "live", engine = { threads = %(threads)s, shards = %(shards)d }, account = { cash = 100000000 }, registry = { enabled = false },
  gateway = { unknown_after = "200ms", query_every = "100ms", resend = %(resend)s },
  venues = { tcp = { plugin = "%(plugins)s/tcp_venue.so", params = { port = %(port)d, bug = %(bug)d, symbols = { "AAA", "BBB", "CCC" } } } },
  strategies = {
    maker = { plugin = "market_maker", universe = { "AAA", "BBB" }, params = { size = "5", position_max = "40", half_spread_bps = 2, requote = 1 } },
    turns = { plugin = here("turns.lua"), universe = { "BBB", "CCC" } },
  },
  services = { recorder = { enabled = %(recorded)s, params = { url = "sqlite:data/rows.sqlite", flush_interval = "50ms" } } },
}
"""
TURNS = """-- hadron: strategy turns 1.0.0
-- description: another position after every few quotes
-- requires: hadron.strategy/1
return hadron.strategy {
  state = { "seen:int64" },
  on_start = function(self) self.seen = self.seen or 0 end,
  on_quote = function(self)
    self.seen = self.seen + 1
    if self.seen % 3 == 0 then self:target((self.seen * 7 % 13 - 6) * 100000000) end
  end,
}
"""


class Venue:
    def __init__(self, directory, seed):
        self.directory, self.seed, self.port, self.faults = directory, seed, 0, {}
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(SOURCE, "tests/support/tcp_venue.py"), self.directory, str(self.seed), str(self.port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.seed += 1

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def gather(self):
        for name, count in self.ask("truth")["faults"].items():
            self.faults[name] = self.faults.get(name, 0) + count

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def records(host, kind):
    done = host.command("journal", "export", "data/journal", "-", "--kind", kind)
    return list(csv.DictReader(done.stdout.splitlines())) if done.returncode == 0 else []


def units(text):
    """A decimal of the export as an integer of 1e-8."""
    whole, _, part = text.lstrip("-").partition(".")
    return (int(whole) * 100_000_000 + int((part + "00000000")[:8])) * (-1 if text.startswith("-") else 1)


def difference(host, truth):
    """In words, what the host says that is not the truth; empty: nothing."""
    if truth["duplicates"]:
        return f"client order ids that came twice: {truth['duplicates']}"
    status = host.command("status", "--json")
    if status.returncode != 0:
        return f"no answer: {status.stderr}"
    status = json.loads(status.stdout)
    orders = host.ask("orders")["orders"]
    if status["venues"][0]["state"] != "ready" or any(row["state"].lower() == "unknown" for row in orders):
        return f"venue {status['venues'][0]['state']}, unknown orders {[row['id'] for row in orders if row['state'].lower() == 'unknown']}"
    open_here = {row["id"]: round(row["filled"] * 1e8) for row in orders}
    open_there = {name: row["filled"] for name, row in truth["orders"].items() if row["state"] == "open"}
    if open_here != open_there:
        return f"open orders: here alone or otherwise {sorted(set(open_here.items()) - set(open_there.items()))}, there {sorted(set(open_there.items()) - set(open_here.items()))}"
    held = {row["instrument"]: round(row["quantity"] * 1e8) for row in host.ask("positions")["positions"]}
    for symbol in SYMBOLS:
        if held.get(symbol, 0) != truth["positions"][symbol]:
            return f"position in {symbol}: here {held.get(symbol, 0)}, there {truth['positions'][symbol]}"
    fills_here = sorted((row["execution_id"], row["client_order_id"], units(row["quantity"])) for row in records(host, "execution"))
    fills_there = sorted((row["execution"], row["id"], row["quantity"]) for row in truth["fills"])
    if fills_here != fills_there:
        twice = sorted({row[0] for row in fills_here if fills_here.count(row) > 1})
        return f"fills: here {len(fills_here)}, there {len(fills_there)}; twice here {twice}; not here {sorted(set(fills_there) - set(fills_here))[:5]}, not there {sorted(set(fills_here) - set(fills_there))[:5]}"
    known = {row["client_order_id"] for row in records(host, "order")}
    lost = [name for name in truth["orders"] if name not in known]
    return f"orders that the venue took and the journal does not know: {lost}" if lost else ""


class World:
    def __init__(self, seed, bug=0):
        self.seed, self.random, self.settle_s = seed, random.Random(seed), SETTLE_S if bug == 0 else 3
        self.host = Host({"turns.lua": TURNS})
        self.venue = Venue(self.host.directory, seed)
        self.recorded = self.random.random() < 0.5
        threads = self.random.random() < 0.5
        self.host.write("host.lua", CONFIG % {"threads": "true" if threads else "false", "shards": 2 if threads else 1, "resend": self.random.choice(("true", "false")),
                                              "plugins": PLUGINS, "port": self.venue.port, "bug": bug, "recorded": "true" if self.recorded else "false"})
        self.kills = 0

    def wait(self, seconds):
        select.select([], [], [], seconds)

    def kill(self):
        self.host.kill()
        self.kills += 1
        if self.random.random() < 0.1:
            self.venue.gather()
            self.venue.kill()
            self.venue.start()

    def short_life(self):
        self.host.launch("--quiet", "--live")
        self.wait(self.random.uniform(0.001, 0.3))
        assert not self.host.died(), self.host.text("err")
        self.kill()

    def audit(self, thaw=True):
        self.venue.ask("freeze")
        self.host.launch("--quiet", "--live")
        end, words = time.monotonic() + self.settle_s, "nothing was asked"
        while words and time.monotonic() < end:
            self.wait(0.03)
            assert not self.host.died(), self.host.text("err")
            words = difference(self.host, self.venue.ask("truth"))
        assert not words, words
        assert "out of its domain" not in self.host.text("err"), self.host.text("err")
        if thaw:
            self.venue.ask("thaw")

    def run(self, kills):
        while self.kills < kills:
            self.audit()
            self.wait(self.random.uniform(0.05, 0.6))
            self.kill()
            if self.kills < kills and self.random.random() < 0.5:
                self.short_life()
        self.audit(thaw=False)
        self.host.stop()
        verified = self.host.command("journal", "verify", "data/journal")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        self.venue.gather()
        truth = self.venue.ask("truth")
        assert not self.recorded or self.rows() == sorted((row["execution"], row["id"], row["quantity"], row["price"]) for row in truth["fills"]), "the database's executions"
        return truth

    def rows(self):
        database = sqlite3.connect(self.host.path("data", "rows.sqlite"))
        rows = database.execute("SELECT execution_id, client_order_id, quantity, price FROM hadron_order_executions").fetchall()
        database.close()
        return sorted(rows)


def bites(bug, name):
    """Some kill of this world must be found out."""
    world, words = World(SEED, bug), ""
    try:
        world.run(WORLD_RUNS)
    except AssertionError as error:
        words = str(error)
    world.venue.kill()
    world.host.__exit__(None)
    assert words, f"the audit found nothing wrong with a venue that {name}"
    print(f"a venue that {name}: {words[:150]}", flush=True)


def main():
    print(f"seed: HADRON_TEST_SEED={SEED}, {RUNS} kills", flush=True)
    for bug, name in ((1, "sends orders twice"), (2, "is deaf to some fills"), (3, "books some fills twice")):
        bites(bug, name)
    left, number, orders, fills, faults, begin = RUNS, 0, 0, 0, {}, time.monotonic()
    while left > 0:
        world, kills = World(SEED + number), min(left, WORLD_RUNS)
        try:
            truth = world.run(kills)
        except BaseException:
            world.host.keep = True
            world.host.kill()
            world.venue.kill()
            print(f"world {number}, kill {world.kills}: HADRON_TEST_SEED={SEED + number} repeats it as the first; what is left of it: {world.host.directory}", flush=True)
            print(world.host.text("err")[-3000:], flush=True)
            raise
        world.venue.kill()
        world.host.__exit__(None)
        left, number, orders, fills = left - kills, number + 1, orders + len(truth["orders"]), fills + len(truth["fills"])
        for name, count in world.venue.faults.items():
            faults[name] = faults.get(name, 0) + count
    print(json.dumps({"kills": RUNS, "worlds": number, "orders": orders, "fills": fills, "lost": 0, "duplicates": 0, "faults": faults, "seconds": round(time.monotonic() - begin)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
