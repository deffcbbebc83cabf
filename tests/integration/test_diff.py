"""Promise: `hadron diff A B` says what differs between two versions, as text and as JSON, and the numbers are right: manifests, parameters, and
over a replay how many decisions are the same, differ in what, or are of one version alone; errors; which share differs, and the exit status that
--accept makes of it. It takes versions of the registry and files, and a configuration whose other plugins are versions of the registry. A
version against itself differs in nothing.

How: two strategies in Lua whose decisions are known by the number of the trade, over a file of 1,000 trades that the test writes; the expected
counts are arithmetic on those numbers. docs/ab.md explains the words."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import BUILD, Host

PLUGINS = os.environ.get("HADRON_PLUGIN_DIR", os.path.join(BUILD, "plugins"))
TRADES = 1000

FIRST = """-- hadron: strategy rule 1.0.0
-- description: the first
-- requires: hadron.strategy/1
return hadron.strategy {
  params = {
    size = { type = "quantity", default = 5, help = "units" },
    gone = { type = "integer", default = 3, min = 1, max = 9, help = "of 1.0.0 alone" },
    limit = { type = "integer", default = 7, min = 1, max = 50, live = true, help = "changes its default and its bounds" },
  },
  on_start = function(self) self.seen = 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.seen % 10 == 0 then self:target(self.seen % 20 == 0 and hadron.quantity("5") or hadron.quantity("-5")) end
  end,
}
"""
# Four units at each fiftieth trade, nothing at each seventieth, one unit at odd multiples of 35; it stumbles once.
SECOND = """-- hadron: strategy rule 1.1.0
-- description: the second
-- requires: hadron.strategy/1
return hadron.strategy {
  params = {
    size = { type = "quantity", default = 5, help = "units" },
    limit = { type = "integer", default = 8, min = 1, max = 60, live = true, help = "changes its default and its bounds" },
    new = { type = "bool", default = true, help = "of 1.1.0 alone" },
  },
  on_start = function(self) self.seen = 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.seen == 501 then error("nobody thought of that") end
    if self.seen % 70 == 0 then return end
    local size = self.seen % 50 == 0 and hadron.quantity("4") or hadron.quantity("5")
    if self.seen % 10 == 0 then self:target(self.seen % 20 == 0 and size or -size)
    elseif self.seen % 35 == 0 then self:target(hadron.quantity("1")) end
  end,
}
"""
CONFIG = """return {
  mode = "backtest", account = { cash = 1000000 }, report = { equity_every = "10s" },
  venues = { replay = { params = { files = { here("trades.csv") }, symbol = "X", columns = { "asset=equity" } } }, sim = { plugin = "sim@1.0.0" } },
  allocator = { plugin = "net@1.0.0" },
  strategies = { only = { plugin = "rule@1.0.0" } },
}
"""


def expected():
    """What the two do at each trade, and how that compares."""
    counts = {"a": 0, "b": 0, "same": 0, "size": 0, "only_a": 0, "only_b": 0}
    for seen in range(1, TRADES + 1):
        sign = 1 if seen % 20 == 0 else -1
        a = 5 * sign if seen % 10 == 0 else None
        b = None
        if seen % 70 and seen != 501:
            b = sign * (4 if seen % 50 == 0 else 5) if seen % 10 == 0 else 1 if seen % 35 == 0 else None
        counts["a"] += a is not None
        counts["b"] += b is not None
        if a is not None and b is not None:
            counts["same" if a == b else "size"] += 1
        elif a is not None:
            counts["only_a"] += 1
        elif b is not None:
            counts["only_b"] += 1
    return counts


def trades():
    rows = ["time,price,size"]
    for i in range(TRADES):
        rows.append(f"2024-01-02T{14 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z,{100 + (i * 7 % 13) / 100:.2f},100")
    return "\n".join(rows) + "\n"


def manifests(host):
    text = host.command("diff", "first.lua", "second.lua").stdout
    for words in ("version      1.0.0 -> 1.1.0", "description  the first -> the second", "  - gone (3)", "  + new (true)", "limit        initial: 7 -> 8", "bounds: 1 to 50 -> 1 to 60"):
        assert words in text, (words, text)
    assert "size" not in text and "Replay" not in text, text
    said = host.ask("diff", "first.lua", "second.lua")
    facts = {f["name"]: f for f in said["facts"]}
    assert facts["name"]["same"] and facts["kind"]["a"] == "strategy" and not facts["version"]["same"] and not facts["digest"]["same"], facts
    assert facts["language"]["a"] == facts["language"]["b"] == "lua"
    assert facts["triggers"]["same"] and facts["triggers"]["a"] == "trade"
    rows = {p["name"]: p for p in said["parameters"]}
    assert rows["limit"]["differs"] == ["initial", "bounds"] and rows["limit"]["a"]["initial"] == "7" and rows["limit"]["b"]["bounds"] == "1 to 60", rows
    assert rows["size"]["differs"] == [] and rows["gone"]["b"] is None and rows["new"]["a"] is None, rows


def decisions(host, a, b):
    want = expected()
    said = host.ask("diff", a, b, "--config", "diff.lua", "--differences", "1000", "--no-progress")["replay"]
    found = said["decisions"]
    assert said["ticks"] == TRADES and said["errors_a"] == 0 and said["errors_b"] == 1 and said["sessions"] == 1, said
    assert (found["a"], found["b"]) == (want["a"], want["b"]), (found["a"], found["b"], want)
    for kind in ("same", "size", "only_a", "only_b"):
        assert found["kinds"][kind] == want[kind], (kind, found["kinds"], want)
    assert sum(found["kinds"].values()) == found["pairs"] == want["same"] + want["size"] + want["only_a"] + want["only_b"], found["kinds"]
    assert found["differing"] == found["pairs"] - want["same"] and abs(found["agreement"] - want["same"] / found["pairs"]) < 1e-12
    assert abs(said["differing_share"] - (1 - found["agreement"])) < 1e-12
    assert len(found["differences"]) == found["differing"]
    for row in found["differences"]:  # each with the tick that caused it: they are numbered from 1
        seen = row["cause"]
        if row["kind"] == "size":
            assert seen % 50 == 0 and seen % 70 and row["a"]["quantity"] in ("5", "-5") and row["b"]["quantity"] in ("4", "-4"), row
        elif row["kind"] == "only_a":
            assert seen % 70 == 0 and row["b"] is None, row
        else:
            assert row["kind"] == "only_b" and seen % 35 == 0 and seen % 70 and row["a"] is None and row["b"]["quantity"] == "1", row
    text = host.command("diff", a, b, "--config", "diff.lua", "--no-progress").stdout
    share = f"{100 * want['same'] / found['pairs']:.4g} % the same"
    assert "Replay of 1,000 ticks, 1 session" in text and share in text and f"First       {want['a']} decisions" in text and "1 errors" in text, text
    # what is accepted
    assert host.command("diff", a, b, "--config", "diff.lua", "--accept", "0.9", "--no-progress").returncode == 0
    refused = host.refused("diff", a, b, "--config", "diff.lua", "--accept", "0.01", "--no-progress")
    assert "of the decisions differ, at most 1 % are accepted" in refused, refused
    same = host.ask("diff", a, a, "--config", "diff.lua", "--accept", "0", "--no-progress")
    assert same["replay"]["decisions"]["differing"] == 0 and same["replay"]["decisions"]["kinds"]["same"] == want["a"], same
    assert all(f["same"] for f in same["facts"])
    assert "the same artifact" in host.command("diff", a, a).stdout


def main():
    with Host({"diff.lua": CONFIG, "first.lua": FIRST, "second.lua": SECOND, "trades.csv": trades()}) as host:
        manifests(host)
        for file in ("first.lua", "second.lua", os.path.join(PLUGINS, "sim.so"), os.path.join(PLUGINS, "net.so")):
            host.ask("registry", "add", file)
        decisions(host, "rule@1.0.0", "rule@1.1.0")
        decisions(host, "first.lua", "second.lua")
        assert "9.9.9" in host.refused("diff", "rule@1.0.0", "rule@9.9.9", code=4)
    print(f"the differences are those of arithmetic: {expected()}")
    return 0


sys.exit(main())
