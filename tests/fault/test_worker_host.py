"""Promise: a host trades on whatever a strategy in a worker process does to itself: it crashes, aborts, ends, overflows its stack, takes all memory or
hangs - the others' decisions and orders go on coming, the worker is started again within its limits and then fenced, with an alert that says how it
ended; the books are right at the end. A worker that is killed a hundred times under load decides nothing twice and leaves the books right. A host
that is killed leaves no worker behind.

How: the built program on the simulated venue, one strategy inline and one in a worker, side by side. Waiting is asking again, at most WAIT_S
seconds. The time from tick to order with and without the trouble is printed, and never asserted."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import PLUGINS, Host, children, together, until

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false }, engine = { threads = %s, worker_restarts = %d, hang_after = "1s" },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 3, rate = 300, seed = 7, entry_latency = "5ms" } } },
  strategies = { good = { plugin = "sma", params = { fast = 2, slow = 4, size = 10 } }, %s },
}
"""
MISBEHAVE = 'away = { plugin = "%s", placement = "process", params = { order = "tick:%%s", at = 100 } }' % os.path.join(PLUGINS, "misbehave.so")
SMA = '%s = { plugin = "sma", placement = "process", params = { fast = 2, slow = 4, size = 10 } }'
SANITIZED = bool(os.environ.get("HADRON_SANITIZE"))


def turnover(host, name):
    return host.strategies(name)[0]["turnover"]


def trades(host, name):
    before = turnover(host, name)
    until(f"{name} trades", lambda: turnover(host, name) > before)


def end(host):
    summary = json.loads(host.stop())
    assert summary["identity"], summary
    return next((row for row in summary["latency"] if row["stage"] == "tick_to_order"), None)


def decides_once(host):
    """Of one arm, instrument and tick there is one decision at most."""
    seen, count = set(), 0
    done = host.command("journal", "dump", "data/journal", "--kind", "decision", "--json")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        row = json.loads(line)
        fields = row.get("fields", row)
        key = (fields["arm"], fields["instrument"], fields["cause"])
        assert key not in seen, row
        seen.add(key)
        count += 1
    return count


def quiet(threads):
    with Host({"host.lua": CONFIG % (threads, 5, SMA % "away")}) as host:
        host.start("--json", "--quiet")
        for _ in range(5):
            trades(host, "good")
        print(f"threads {threads}: quiet: tick to order {end(host)}")


def whatever_it_does(threads, how):
    with Host({"host.lua": CONFIG % (threads, 2, MISBEHAVE % how)}) as host:
        host.start("--json", "--quiet")
        trades(host, "good")
        until(f"{how}: it is given up", lambda: "ALERT strategy away (process): is fenced" in host.text("err"))
        assert "is fenced: it has ended 3 times within 30 s" in host.text("err")
        assert host.text("err").count("is started again") >= 1
        for _ in range(3):
            trades(host, "good")
        assert children(host.process.pid) == []
        print(f"threads {threads}: {how}: tick to order {end(host)}")


def killed_a_hundred_times():
    """Four of them, as one that was killed before is started again only after a while."""
    names = ("one", "two", "three", "four")
    with Host({"host.lua": CONFIG % ("true", 1000, ", ".join(SMA % name for name in names))}) as host:
        host.start("--json", "--quiet")
        ended = set()
        times = 20 if SANITIZED else 100
        while len(ended) < times:
            for pid in until("a worker", lambda: [p for p in children(host.process.pid) if p not in ended])[: times - len(ended)]:
                if len(ended) % 10 == 0:
                    trades(host, names[len(ended) // 10 % 4])
                os.kill(pid, signal.SIGKILL)
                ended.add(pid)
        for name in names + ("good",):
            trades(host, name)
        assert "is fenced" not in host.text("err")
        end(host)
        print(f"{times} workers killed; {decides_once(host)} decisions, each of its own tick")
        verified = host.command("journal", "verify", "data/journal")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def no_orphan(does, busy):
    """One that looks after its connection, and one that hangs in a callback and looks after nothing."""
    with Host({"host.lua": (CONFIG % ("false", 5, does)).replace('hang_after = "1s"', 'hang_after = "1h"')}) as host:
        host.start("--json", "--quiet")
        workers = until("a worker", lambda: children(host.process.pid))
        until("it is at it", busy(host))
        host.kill()
        try:
            for pid in workers:
                until(f"worker {pid} is gone", lambda: gone(pid))
        finally:
            for pid in workers:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)


HOWS = ["exit", "hang"] if SANITIZED else ["null", "abort", "stack", "memory", "exit", "hang"]
together(killed_a_hundred_times, (no_orphan, SMA % "away", lambda host: lambda: turnover(host, "away") not in ("0", "0.00", 0)),
         (no_orphan, MISBEHAVE % "hang", lambda host: lambda: host.strategies("away")[0]["placed"]["state"] == "silent"),
         *[case for threads in ("false", "true") for case in [(quiet, threads)] + [(whatever_it_does, threads, how) for how in HOWS]])
