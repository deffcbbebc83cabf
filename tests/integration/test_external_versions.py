"""Promise: versions of a strategy whose programs run elsewhere are deployed like those of plugins. With a running host and two Python processes of one
name, as a user types it: whoever registers first trades; `registry add FILE.py` makes versions of the files; `ab`, `promote`, `rollback`, `disable`,
`enable` and `set` change which of them trades between two ticks, without a restart of either; each has a book; who is not deployed is told so, waits and
comes in when it is; what was set holds when it is enabled again and over a kill; a parameter that somebody has set at the other side and the host has otherwise ends it with both values. After a kill of the host the registry's revision
runs, and the journal, run again, comes out the same."""
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
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}/sdk/python", "HADRON_LIBRARY": f"{BUILD}/lib/libhadron.so"}
CONFIG = """return {
  mode = "paper", data_dir = "data", plugin_path = "%s", seed = 7,
  account = { cash = "1000000" },
  venues = { sim = { params = { flow = "random", symbols = { "ALDR", "BEXA" }, rate = 300, size = "100" } } },
  strategies = { trader = { external = true, on_silent = "hold", deployment = { warm = "10m", gate = 3 } } },
  bus = { sessions = { { url = "ipc://%s" } }, stale_after = "30s" },
}
"""
TRADER = """import hadron
class Trader(hadron.Strategy):
    \"\"\"Turns its position every third trade.\"\"\"
    name, version, params = "trader", "%s", {"size": %d}
    seen = 0
    def on_start(self): print("start", self.params["size"], flush=True)
    def on_params(self): print("params", self.params["size"], flush=True)
    def on_tick(self, tick):
        if tick.kind != hadron.TickKind.TRADE: return
        self.seen += 1
        if self.seen %% 3 == 0:
            side = 1 if self.position(tick.instrument) <= 0 else -1
            self.target(tick.instrument, side * hadron.quantity(str(self.params["size"])))
"""


def join(host, file, *words):
    with open(host.path(file + ".log"), "ab") as out:
        return subprocess.Popen([sys.executable, "-m", "hadron", "run", file, "--connect", f"ipc://{host.path('bus.ipc')}", *words], cwd=host.directory, stdout=out,
                                stderr=subprocess.STDOUT, env=ENVIRONMENT)


def add(host, file):
    done = subprocess.run([BUILD + "/hadron", "registry", "add", file, "--data-dir", "data"], cwd=host.directory, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def arm(host, version):
    return next((row for row in host.strategies("trader") if row["version"] == version), None)


def moves(host, version, role):
    """Until this version has this role and gets on: its book changes."""
    def looks():
        row = arm(host, version)
        return row if row and row["role"] == role and row["placed"]["peer"] else None
    row = until(f"{version} is {role}", looks)
    until(f"{version} decides", lambda: arm(host, version)["placed"]["decisions"] > row["placed"]["decisions"] + 5)
    return arm(host, version)


def orders_of(host):
    done = host.command("journal", "dump", "data/journal", "--kind", "order", "--json")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def main():
    with Host({"one.py": TRADER % ("1.0.0", 1), "two.py": TRADER % ("2.0.0", 2)}) as host:
        host.write("host.lua", CONFIG % (f"{BUILD}/plugins", host.path("bus.ipc")))
        host.start("--quiet")
        one = join(host, "one.py")
        two = None
        try:
            moves(host, "0.0.0", "live")
            assert "`hadron promote trader@VERSION` puts it in place" in host.refused("set", "strategies.trader.params.size=4")
            add(host, "one.py")
            add(host, "two.py")
            # It has a seat of its own from now on, and moves there by itself.
            assert host.ask("promote", "trader@1.0.0")["changed"]  # no gate: before it there was none to be held against
            moves(host, "1.0.0", "live")
            two = join(host, "two.py")
            until("it is told why it waits", lambda: "expected one that is deployed now (" in host.text("two.py.log") and "1.0.0 (live)" in host.text("two.py.log"))
            assert host.ask("ab", "trader", "1.0.0=3", "--shadow", "2.0.0")["changed"]
            moves(host, "2.0.0", "shadow")
            assert "joined" in host.text("two.py.log") and two.poll() is None
            gated(host)
            done = host.ask("promote", "trader@2.0.0", "--why", "larger", "--accept-difference", "1")
            assert done["swapped"] >= 1 and done["last_sequence"] > 0, done
            moves(host, "2.0.0", "live")
            warm = moves(host, "1.0.0", "shadow")  # the one before it is fed and booked, and trades nothing
            until("its own book", lambda: arm(host, "1.0.0")["fees"] is not None and arm(host, "1.0.0") != warm)
            assert host.ask("rollback", "trader", "--why", "too large")["changed"]
            moves(host, "1.0.0", "live")
            refusals(host)
            host.ask("set", "strategies.trader.params.size=4")
            until("both are told", lambda: "params 4" in host.text("one.py.log") and "params 4" in host.text("two.py.log"))
            stopped(host, one, two)
            after_a_kill(host, one, two)
        finally:
            for process in (one, two):
                if process:
                    process.kill()
                    process.wait()


def gated(host):
    """What it decided as a shadow, beside the live one, is what the gate goes by; who has not run has decided nothing."""
    refused = host.refused("promote", "trader@2.0.0")
    assert "gate: " in refused and "differ from that one's over the last 1 session, at most 0 % are accepted" in refused, refused
    host.write("three.py", TRADER % ("2.1.0", 2))
    add(host, "three.py")
    assert "expected decisions that it made beside 1.0.0" in host.refused("promote", "trader@2.1.0")


def refusals(host):
    """What cannot be is refused before anything changes."""
    before = host.ask("status")["strategies"]
    assert "runs where somebody has started it" in host.refused("enable", "trader", "--placement", "thread")
    assert "3.0.0" in host.refused("promote", "trader@3.0.0")
    assert [row["version"] for row in before] == [row["version"] for row in host.ask("status")["strategies"]]
    pinned = join(host, "two.py", "--set", "size=9", "--version", "1.0.0", "--name", "trader", "--connect-timeout", "3")
    assert pinned.wait(60) != 0  # 1.0.0 is here
    done = subprocess.run([BUILD + "/hadron", "registry", "add", "--external", "trader@2.5.0", "--data-dir", "data"], cwd=host.directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "trader@2.5.0" in done.stdout, done.stderr


def stopped(host, one, two):
    assert host.ask("disable", "trader")["changed"]
    count = len(orders_of(host))
    for log in ("one.py.log", "two.py.log"):
        until("it is told that nothing is deployed", lambda log=log: "expected a deployment that is enabled" in host.text(log))
    assert one.poll() is None and two.poll() is None and len(orders_of(host)) == count  # they wait; nothing was ordered meanwhile
    assert host.ask("enable", "trader")["changed"]
    moves(host, "1.0.0", "live")
    moves(host, "2.0.0", "shadow")
    sizes_hold(host)


def sizes_hold(host):
    """What was set is what the host says at every WELCOME since."""
    for log in ("one.py.log", "two.py.log"):
        assert host.text(log).split("start ")[-1].split()[0] == "4", host.text(log)[-2000:]


def after_a_kill(host, one, two):
    """What the operators did is in the registry; the next life of the host goes by it, and the processes find it by themselves."""
    host.stop(signal.SIGKILL)
    host.start("--quiet")
    moves(host, "1.0.0", "live")
    moves(host, "2.0.0", "shadow")
    sizes_hold(host)
    assert one.poll() is None and two.poll() is None
    assert [r["command"] for r in host.revisions("trader")][:3] == ["config", "promote", "ab"]
    two.send_signal(signal.SIGINT)
    assert two.wait(60) == 0
    pinned = join(host, "two.py", "--set", "size=9")
    assert pinned.wait(60) != 0 and "--set size=9: the host runs trader 2.0.0 with size = " in host.text("two.py.log"), host.text("two.py.log")[-2000:]
    report = host.ask("ab", "report", "trader")
    assert all(f"{version}" in json.dumps(report) for version in ("1.0.0", "2.0.0")), report
    told = host.stop()
    assert "trader" in told
    verified = host.command("replay", "data/journal", "--verify")
    assert verified.returncode == 0, verified.stdout[-2000:] + verified.stderr[-2000:]


main()
