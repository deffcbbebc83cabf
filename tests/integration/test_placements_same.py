"""Promise: the same artifacts decide the same, bit for bit, in each placement: a backtest of the same data, inline, in threads and in worker processes, in
lock-step, has one digest: shared objects and a script, bars, timers, a universe, fills; over one shard and over three.

How: `hadron backtest` with a generated sample, with engine.placements=as-configured."""

import json
import os
import subprocess
import sys
import tempfile

BUILD = os.environ["HADRON_BUILD_DIR"]
CONFIG = """return {
  mode = "backtest", risk = { position_max = "20" }, registry = { enabled = false },
  venues = { replay = {}, sim = { params = { entry_latency = "1ms", response_latency = "2ms", reject_rate = 0.05 } } },
  sample = { instruments = 4, duration = "30m" },
  strategies = {
    cross = { plugin = "zero_cross", params = { length = 2, band = 0, size = 5 } }, maker = { plugin = "market_maker" },
    bars = { plugin = "sma", params = { fast = 2, slow = 3, on_bars = true, bar = "10s", size = 1 } },
    two = { plugin = "pairs", params = { window = 10, sample = "1s", entry = 0.5, leave = 0.1 } },
    reverts = { plugin = "mean_revert" },
  },
}
"""
NAMES = ("cross", "maker", "bars", "two", "reverts")


def digest(directory, placement, shards):
    sets = [f"engine.shards={shards}", f"data_dir={directory}", "engine.placements=as-configured"] + [f"strategies.{name}.placement={placement}" for name in NAMES]
    words = [os.path.join(BUILD, "hadron"), "backtest", os.path.join(directory, "c.lua"), "--json"] + [word for s in sets for word in ("--set", s)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["decisions"] > 100, report["decisions"]
    return report["digest"]


def main():
    with tempfile.TemporaryDirectory(prefix="hd", dir="/tmp") as directory:
        with open(os.path.join(directory, "c.lua"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        for shards in (1, 3):
            expected = digest(directory, "inline", shards)
            for placement in ("thread", "process"):
                found = digest(directory, placement, shards)
                assert found == expected, (placement, shards, expected, found)
    print("one digest in each placement")
    return 0


sys.exit(main())
