"""Promise: with threads a strategy is fed again what it heard in the order in which its own shard heard it: ticks, order events and executions. What it
knows after a SIGKILL is what it knew, to the last of them.

A strategy keeps a number that every callback changes in a way that does not commute, and tells it with each decision. From decision to decision the
number can only have gone through some executions and order events and the trade that decided; this must hold over a start as well."""

import os
import sys

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from host import Host, until  # noqa: E402
import journal_bytes as journal  # noqa: E402

MODULO = 1000003
HEARS = """-- hadron: strategy hears 1.0.0
-- description: a number that depends on the order of all that it hears
-- requires: hadron.strategy/1
local M = 1000003
return hadron.strategy {
  on_start = function(self) self.h = self.h or 7 end,
  on_trade = function(self, price, size, market)
    self.h = (self.h * 31 + 1) % M
    self:target(hadron.quantity(tostring(self.h % 2 == 0 and 5 or -5)), { confidence = self.h / M })
  end,
  on_execution = function(self, execution, market) self.h = (self.h * 37 + 2) % M end,
}
"""
CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, engine = { threads = true, shards = 2 }, gateway = { orders_max = 65536 }, registry = { enabled = false },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 4, rate = 2000 } } },
  strategies = { hears = { plugin = "./hears.lua" } },
}
"""


def numbers(host):
    """By instrument, in their order: what the decisions said, and where a run began."""
    told, runs = {}, 0
    for template, r in journal.read(host.path("data", "journal")):
        if template == journal.SESSION and not r["flags"] & 1:
            runs += 1
        if template == journal.DECISION:
            told.setdefault(r["instrument"], []).append((round(r["confidence"] * MODULO), runs))
    return told


def follows(before, after):
    for _ in range(64):
        if (before * 31 + 1) % MODULO == after:
            return True
        before = (before * 37 + 2) % MODULO
    return False


def follows_start(before, after):
    """Over a start: the last trades were handled and their decisions not written any more."""
    reached = {before}
    for _ in range(10):
        if any((h * 31 + 1) % MODULO == after for h in reached):
            return True
        reached = {(h * 31 + 1) % MODULO for h in reached} | {(h * 37 + 2) % MODULO for h in reached}
    return False


def main():
    with Host({"host.lua": CONFIG, "hears.lua": HEARS}) as host:
        for _ in range(3):
            host.start()
            until("it trades", lambda first=host.ask("status")["executions"]: host.ask("status")["executions"] > first + 300)
            host.kill()
        starts = 0
        for instrument, told in numbers(host).items():
            for (before, run), (after, then) in zip(told, told[1:]):
                starts += run != then
                assert (follows if run == then else follows_start)(before, after) or follows(before, after), f"instrument {instrument}: {before} of run {run} was not followed by {after} of run {then}"
        assert starts >= 4, starts


if __name__ == "__main__":
    main()
