"""Promise: `hadron worker CONFIG --connect URL` runs the strategies of its own configuration, a shared object and a script, as external strategies of a host: they
trade there on paper with books of their own; the host sees who is there. A worker that is killed and started again trades on; so does one whose host was
killed and started again. Who has no token for it, or whom nobody expects, is told so and ends; SIGTERM ends it with 0.

How: the built program twice, over ipc. Waiting is asking again, at most WAIT_S seconds."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import HADRON, WAIT_S, Host, turns, until

THERE = """return {
  mode = "paper", account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 3, rate = 300, seed = 7, entry_latency = "5ms" } } },
  bus = { stale_after = "2s", sessions = { { url = "ipc://%s/s", class = "trade", tokens = "%s/tokens" } } },
  strategies = { far = { external = true }, turns = { external = true } },
}
"""
HERE = """return {
  strategies = { far = { plugin = "sma", params = { fast = 2, slow = 4, size = 10 } }, turns = { plugin = "./turns.lua", universe = { "SIM00" } } },
}
"""


class Worker:
    def __init__(self, host, *arguments, config="here.lua"):
        self.host = host
        with open(host.path("worker.err"), "ab") as err:
            self.process = subprocess.Popen([HADRON, "worker", config, "--connect", f"ipc://{host.directory}/s", *arguments], cwd=host.directory, stderr=err)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


def trades(host, name):
    before = host.strategies(name)[0]["turnover"]
    until(f"{name} trades", lambda: host.strategies(name)[0]["turnover"] > before)


with Host({"here.lua": HERE, "turns.lua": turns("1.0.0"), "nobody.lua": HERE.replace("far =", "nobody =")}) as there:
    there.write("host.lua", THERE % (there.directory, there.directory))
    there.write("token", there.command("token", "tokens").stdout)
    there.start("--quiet")
    worker = Worker(there, "--token-file", "token")
    try:
        for name in ("far", "turns"):
            trades(there, name)
        assert {p["instrument"] for p in there.ask("positions")["positions"] if "turns" in str(p)} <= {"SIM00"}, there.ask("positions")
        assert worker.end(signal.SIGKILL) == -signal.SIGKILL
        worker = Worker(there, "--token-file", "token")
        for name in ("far", "turns"):
            trades(there, name)
        there.kill()
        there.start("--quiet")
        for name in ("far", "turns"):
            trades(there, name)
        assert worker.end() == 0, there.text("worker.err")
        worker = Worker(there)  # without a token
        assert worker.process.wait(WAIT_S) == 1
        assert "PERMISSION" in there.text("worker.err") or "token" in there.text("worker.err"), there.text("worker.err")
        worker = Worker(there, "--token-file", "token", "--only", "nobody", config="nobody.lua")
        assert worker.process.wait(WAIT_S) == 1
        assert 'this host expects no strategy "nobody"' in there.text("worker.err"), there.text("worker.err")
    finally:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
