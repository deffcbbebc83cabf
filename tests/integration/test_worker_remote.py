"""Promise: `hadron worker CONFIG --connect URL` runs the strategies of its own configuration, a shared object and a script, as external strategies of a host: they
trade there on paper with books of their own; the host sees who is there. A worker that is killed and started again trades on; so does one whose host was
killed and started again. Who has no token for it, or whom nobody expects, is told so and ends; SIGTERM ends it with 0. Over TLS with certificates, as docs/remote.md has it, the same: and
what a strategy remembers is there again after a clean end, and a file that is damaged is refused; who finds nobody whom it trusts is told where to look.

How: the built program twice, over ipc and over TLS. Waiting is asking again, at most WAIT_S seconds."""

import os
import signal
import socket
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


TLS = """return {
  mode = "paper", account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 300, seed = 7 } } },
  bus = { stale_after = "1s", sessions = { { url = "tls+tcp://127.0.0.1:%d", class = "trade", certificate = "ca/host-a.crt", key = "ca/host-a.key", ca = "ca/ca.crt", crl = "ca/ca.crl" } } },
  strategies = { alpha = { external = true, on_silent = "hold" } },
}
"""
LIVES = """-- hadron: strategy lives 1.0.0
-- description: holds as many as it has had lives
-- requires: hadron.strategy/1
return hadron.strategy {
  on_start = function(self) self.lives = (self.lives or 0) + 1 end,
  on_trade = function(self) self:target(hadron.quantity(tostring(self.lives))) end,
  save = function(self) return { lives = self.lives } end,
  load = function(self, saved) self.lives = saved.lives end,
}
"""


class Worker:
    def __init__(self, host, *arguments, config="here.lua", url=None):
        self.host = host
        with open(host.path("worker.err"), "wb" if url else "ab") as err:
            self.process = subprocess.Popen([HADRON, "worker", config, "--connect", url or f"ipc://{host.directory}/s", *arguments], cwd=host.directory, stderr=err)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


def trades(host, name):
    before = host.strategies(name)[0]["turnover"]
    until(f"{name} trades", lambda: host.strategies(name)[0]["turnover"] > before)


def over_tls():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with Host({"host.lua": TLS % port, "here.lua": 'return { data_dir = "b", strategies = { alpha = { plugin = "./lives.lua" } } }', "lives.lua": LIVES}) as there:
        for words in (("ca", "ca"), ("issue", "ca", "host-a", "--role", "read", "--host", "127.0.0.1"), ("issue", "ca", "alpha", "--role", "trade"), ("ca", "other")):
            done = there.command("cert", *words)
            assert done.returncode == 0, done.stderr
        there.start("--quiet")
        url, own = f"tls+tcp://127.0.0.1:{port}", ("--certificate", "ca/alpha.crt", "--key", "ca/alpha.key")

        def holds(quantity):
            positions = there.ask("positions")["positions"]
            return len(positions) == 2 and all(float(p["quantity"]) == quantity for p in positions)
        worker = None
        try:
            for life in (1, 2, 3):
                worker = Worker(there, "--ca", "ca/ca.crt", *own, url=url)
                until(f"life {life}", lambda: holds(life))
                until("how long its callbacks took is told", lambda: there.strategies("alpha")[0]["latency"]["count"] > 0 and there.strategies("alpha")[0]["latency"]["p99_ns"] > 0)
                assert ("goes on with what it knew" in there.text("worker.err")) == (life > 1), there.text("worker.err")
                assert worker.end() == 0, there.text("worker.err")
            worker = Worker(there, "--ca", "ca/ca.crt", *own, url=url)
            until("it is there", lambda: there.strategies("alpha")[0]["placed"]["state"] == "there")
            until("it is at it", lambda: holds(4))
            worker.end(signal.SIGKILL)
            worker = Worker(there, "--ca", "ca/ca.crt", *own, url=url)  # what was saved last: by the third
            until("it goes on", lambda: "2 of 2 instances" in there.text("worker.err"))
            until("its fourth life again", lambda: holds(4))
            assert worker.end() == 0
            with open(there.path("b/worker/alpha.state"), "r+b") as file:
                file.seek(-3, 2)
                file.write(b"?")
            worker = Worker(there, "--ca", "ca/ca.crt", *own, url=url)
            assert worker.process.wait(WAIT_S) == 1 and "move it away to begin anew" in there.text("worker.err"), there.text("worker.err")
            worker = Worker(there, "--ca", "other/ca.crt", *own, url=url)  # it trusts somebody else
            until("it is told where to look", lambda: "are both certificates of one authority" in there.text("worker.err"))
            assert worker.end() == 0
        finally:
            if worker and worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()


over_tls()
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
