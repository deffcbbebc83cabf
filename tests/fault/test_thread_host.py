"""Promise: what docs/placements.md says of a strategy in a thread of its own happens. One that hangs is fenced with an alert, the others trade on, and the host
ends when it is asked to. One that crashes takes the host with it, by that signal; what is left says who it was, and the next start recovers: the
others' positions are what the journal says, the journal verifies, and they trade.

How: the built program on the simulated venue, one strategy inline and one in a thread, one thread and several. Waiting is asking again."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import PLUGINS, Host, until

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false }, engine = { threads = %s, hang_after = "1s" },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 3, rate = 300, seed = 7, entry_latency = "5ms" } } },
  strategies = { good = { plugin = "sma", params = { fast = 2, slow = 4, size = 10 } },
    away = { plugin = "%s", params = { order = "tick:%s", at = 100 }, placement = "thread", enabled = %s } },
}
"""
MISBEHAVE = os.path.join(PLUGINS, "misbehave.so")
SANITIZED = bool(os.environ.get("HADRON_SANITIZE"))


def turnover(host):
    return host.strategies("good")[0]["turnover"]


def trades(host):
    before = turnover(host)
    until("good trades", lambda: turnover(host) > before)


def end(host):
    summary = json.loads(host.stop())
    assert summary["identity"], summary
    verified = host.command("journal", "verify", "data/journal")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def hangs(threads):
    with Host({"host.lua": CONFIG % (threads, MISBEHAVE, "hang", "true")}) as host:
        host.start("--json", "--quiet")
        until("it is fenced", lambda: "ALERT strategy away (thread): is fenced" in host.text("err"))
        for _ in range(3):
            trades(host)
        end(host)


def crashes(threads, how, number):
    with Host({"host.lua": CONFIG % (threads, MISBEHAVE, how, "true")}) as host:
        host.launch("--json", "--quiet")
        _, status = os.waitpid(host.process.pid, 0)
        host.process.returncode = -1
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, (how, status, host.text("err"))
        assert "misbehave" in host.text("err"), host.text("err")
        host.write("host.lua", CONFIG % (threads, MISBEHAVE, how, "false"))
        host.start("--json", "--quiet")
        assert host.ask("status")["recovered"]["records"] > 0
        trades(host)
        end(host)


for threads in ("false", "true"):
    hangs(threads)
    if not SANITIZED:  # a sanitizer has its own ending
        for how, number in (("null", signal.SIGSEGV), ("abort", signal.SIGABRT), ("stack", signal.SIGSEGV)):
            crashes(threads, how, number)
print("in a thread: a hang is fenced, a crash is the host's, and it comes back")
