"""Promise: `hadron backtest --strategy` runs a strategy in Python in step with the host: the starter in Python decides what the starter in Lua decides, bit for
bit in the journal, twice; its bars are the host's; a file that is wrong, or a strategy that fails in the middle, ends the run with words and without a report to trust.
Without its program nobody is waited for: a section that is `external = true` is left out and named, in a backtest and in the replay of a journal, and a card is refused."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests/support"))
from host import BUILD, HADRON, Host  # noqa: E402
import sanitized  # noqa: E402

sanitized.preload()

ROOT = os.environ["HADRON_SOURCE_DIR"]
CONFIG = """return {
  mode = "backtest", data_dir = "data", plugin_path = "%s", account = { cash = "1000000" },
  universe = { open = true }, sample = { kind = "equity", instruments = 1, duration = "1d" },
  venues = { replay = { params = { files = {} } }, sim = {} },
  strategies = { my_strategy = { %s } },
}
"""
BARS = """import hadron
class Bars(hadron.Strategy):
    name, bars = "my_strategy", ["5m"]
    seen = 0
    def on_bar(self, bar):
        assert bar.kind == hadron.BarKind.TIME and bar.close_ns - bar.open_ns == bar.interval == 300 * 10**9 and bar.low <= bar.close <= bar.high
        self.seen += 1
        self.target(bar.instrument, hadron.quantity("5") if bar.close > bar.open else 0)
    def on_stop(self):
        with open("bars", "w") as out: out.write(str(self.seen))
"""
FAILS = """import hadron
class Fails(hadron.Strategy):
    name = "my_strategy"
    n = 0
    def on_tick(self, tick):
        self.n += 1
        if self.n == 500: raise ValueError("five hundred are enough")
"""


def backtest(host, config, *words):
    return subprocess.run([HADRON, "backtest", config, "--no-progress", "--json", *words], cwd=host.directory, capture_output=True, text=True, timeout=1500, check=False)


def good(host, config, *words):
    done = backtest(host, config, *words)
    assert done.returncode == 0, (words, done.returncode, done.stderr)
    return json.loads(done.stdout)


def records(host, directory, kind):
    done = host.command("journal", "dump", f"{directory}/journal", "--kind", kind, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        row.pop("record_at") # the configurations before it have other lengths
    return rows


def main():
    with Host({}) as host:
        shown = f"{BUILD}/plugins"
        host.write("python.lua", CONFIG % (shown, 'external = true, params = { length = 20, size = "10" }'))
        host.write("lua.lua", CONFIG % (shown, f'plugin = "{ROOT}/sdk/template/strategy.lua", params = {{ length = 20, size = "10" }}'))
        host.write("bars.lua", CONFIG % (shown, 'external = true, bars = { "5m" }'))
        host.write("bars.py", BARS)
        host.write("fails.py", FAILS)
        host.write("broken.py", "import nothing_of_this_name\n")
        starter = f"{ROOT}/sdk/template/strategy.py"

        lua = good(host, "lua.lua", "--duration", "40m", "--journal", "--set", "data_dir=in_lua")
        python = [good(host, "python.lua", "--duration", "40m", "--strategy", starter, "--journal", "--set", f"data_dir=in_python{i}") for i in range(2)]
        assert lua["decisions"] > 20, lua
        assert python[0]["digest"] == python[1]["digest"], "two runs differ"
        for kind in ("decision", "order", "execution", "allocation"): # the digest has the version's name in it
            rows = [records(host, directory, kind) for directory in ("in_lua", "in_python0", "in_python1")]
            assert rows[0], kind
            for other in rows[1:]:
                assert len(other) == len(rows[0]), kind
                for a, b in zip(rows[0], other):
                    assert a == b, (kind, {key: (a[key], b[key]) for key in a if a[key] != b[key]})

        told = good(host, "bars.lua", "--duration", "2h", "--strategy", "bars.py")
        assert int(host.text("bars")) >= 10 and told["decisions"] == int(host.text("bars")), told["decisions"]

        done = backtest(host, "python.lua", "--strategy", "bars.py", "--duration", "10m")
        assert done.returncode != 0 and "found \"5m\"; write it into strategies.my_strategy.bars" in done.stderr, done.stderr
        done = backtest(host, "python.lua", "--strategy", "fails.py", "--duration", "4h")
        assert done.returncode != 0 and "five hundred are enough" in done.stderr and "fails.py: it has failed" in done.stderr, (done.returncode, done.stderr)
        done = backtest(host, "python.lua", "--strategy", "broken.py")
        assert done.returncode != 0 and "nothing_of_this_name" in done.stderr and "Python has refused it" in done.stderr, done.stderr

        alone = backtest(host, "python.lua", "--duration", "10m")
        assert alone.returncode == 0 and json.loads(alone.stdout)["decisions"] == 0 and "my_strategy is left out" in alone.stderr, alone
        played = host.command("replay", "in_python0", "--speed", "0", "--duration", "10m", "--no-progress", "--json")
        assert played.returncode == 0 and "my_strategy is left out" in played.stderr, played
        host.write("card.lua", "-- hadron: strategy my_strategy 2.0.0\n-- requires: hadron.strategy/1 hadron.external/1\nreturn hadron.strategy {}\n")
        host.write("carded.lua", CONFIG % (shown, 'plugin = here("card.lua")'))
        done = backtest(host, "carded.lua", "--duration", "10m")
        assert done.returncode == 3 and "expected its program" in done.stderr, done
    print(f"in step: {lua['decisions']} decisions, digest {lua['digest'][:8]}")


main()
