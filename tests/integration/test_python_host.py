"""Promise: the starter strategy in Python, as the guide has it, joins a running host, trades on paper, is killed with -9 in the middle, comes back, is told its
positions, and its book is right; with numpy its batches are every tick once, in order; a wrong file or address is told."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests/support"))
from host import BUILD, Host, until  # noqa: E402
import sanitized  # noqa: E402

sanitized.preload()

ROOT = os.environ["HADRON_SOURCE_DIR"]
PLUGINS = f"{BUILD}/plugins"
CONFIG = """return {
  mode = "paper", data_dir = "data", plugin_path = "%s", seed = 7,
  account = { cash = "1000000" },
  venues = { sim = { params = { flow = "random", symbols = { "ALDR", "BEXA" }, rate = 200, size = "100" } } },
  strategies = { my_strategy = { external = true, on_silent = "hold", params = { length = 5, size = "7" } }, watcher = { external = true } },
  bus = { sessions = { { url = "ipc://%s" } }, stale_after = "30s" },
}
"""
WATCHER = """import hadron, numpy
class Watcher(hadron.Strategy):
    name = "watcher"
    last = ticks = batches = 0
    def on_batch(self, ticks):
        assert not ticks.flags.writeable and not ticks.flags.owndata, "a copy"
        assert (numpy.diff(ticks["sequence"].astype(numpy.int64)) > 0).all() and int(ticks["sequence"][0]) > self.last
        assert set(ticks["instrument"]) <= set(self.instruments)
        trades = ticks[ticks["kind"] == hadron.TickKind.TRADE]
        assert (trades["price"] > 0).all()
        self.last, self.ticks, self.batches = int(ticks["sequence"][-1]), self.ticks + len(ticks), self.batches + 1
    def on_lost(self, first, last, count): raise AssertionError("lost")
    def on_stop(self): print(f"{self.ticks} {self.last}", flush=True)
"""


def join(host, file, *words):
    out = open(host.path(os.path.basename(file) + ".log"), "ab")
    return subprocess.Popen([sys.executable, "-m", "hadron", "run", file, "--connect", f"ipc://{host.path('bus.ipc')}", *words], cwd=host.directory, stdout=out,
                            stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": f"{ROOT}/sdk/python", "HADRON_LIBRARY": f"{BUILD}/lib/libhadron.so"})


def records(host, kind):
    done = host.command("journal", "dump", "data/journal", "--kind", kind, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def row(host, name="my_strategy"):
    return host.strategies(name)[0]


def fills(host):
    return host.ask("status")["executions"]


def main():
    with Host({}) as host:
        host.write("host.lua", CONFIG % (PLUGINS, host.path("bus.ipc")))
        with open(f"{ROOT}/sdk/template/strategy.py", encoding="utf-8") as file:
            host.write("my_strategy.py", file.read())
        host.start()
        strategy = join(host, "my_strategy.py")
        until("it trades", lambda: fills(host) > 20)
        strategy.kill()
        assert strategy.wait() == -signal.SIGKILL
        until("what it had on its way has come to an end", lambda: host.ask("status")["open_orders"] == 0)
        held = {p["instrument"]: p["quantity"] for p in host.ask("positions")["positions"]}
        before = fills(host)
        strategy = join(host, "my_strategy.py")
        until("it trades again", lambda: fills(host) > before + 20)
        log = host.text("my_strategy.py.log")
        assert log.count("joined") == 2 and "Traceback" not in log, log
        strategy.send_signal(signal.SIGINT)
        assert strategy.wait() == 0, host.text("my_strategy.py.log")
        assert held, "it held nothing when it was killed"

        try:
            import numpy  # noqa: F401
        except ImportError:
            print("numpy is not installed (Debian: python3-numpy): batches are not tried")
        else:
            host.write("watcher.py", WATCHER)
            watcher = join(host, "watcher.py")
            until("it is there", lambda: "joined" in host.text("watcher.py.log"))
            from_here = host.ask("status")["ticks"]
            until("ticks", lambda: host.ask("status")["ticks"] > from_here + 2000)
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait() == 0, host.text("watcher.py.log")
            ticks = next(line for line in host.text("watcher.py.log").splitlines() if line.replace(" ", "").isdigit()).split()[0]
            assert int(ticks) >= 1000, ticks
        host.stop()

        # The book: what was allotted adds up to what is held.
        books = {}
        for a in records(host, "allocation"):
            signed = float(a["quantity"]) * (1 if str(a["side"]).upper() in ("BUY", "1") else -1)
            books[a["instrument"]] = books.get(a["instrument"], 0) + signed
            assert abs(books[a["instrument"]] - float(a["position"])) < 1e-9, a
        decisions = records(host, "decision")
        assert len(decisions) > 20 and all(int(d["arm"]) == 1 for d in decisions)
        assert all(abs(q) <= 7 for q in books.values()), books
    print(f"joined, killed, came back: {len(decisions)} decisions, {books}")


main()
