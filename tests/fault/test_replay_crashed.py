"""Promise: a session in which a strategy crashed or never came back is run again from its journal without that happening to who runs it. `hadron replay --verify`
ends with exit code 0, has compared what the others decided up to there and after it, and says in words in which record of which session who fell. A strategy
inline takes the host down: what it was called with last is not called again, nor is it fed while later starts recover, once they bar it; with one thread
and with several, before the host is started again (its crash record is beside the journal) and after. One in a thread or in a worker is given up
alone: it is not run again.

How: the built program on the simulated venue and a strategy that misbehaves at a tick, by a null pointer or in an endless loop. Waiting is asking again. One that crashes when it is taken down does so there too: then
the last line names it and the function, and says what to do."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import PLUGINS, Host, until

MISBEHAVE = os.path.join(PLUGINS, "misbehave.so")
SANITIZED = bool(os.environ.get("HADRON_SANITIZE"))


def config(threads, how, placement="inline"):
    return f"""return {{
  mode = "paper", account = {{ cash = 1000000 }}, registry = {{ enabled = false }}, engine = {{ threads = {threads}, shards = {2 if threads == "true" else 1}, hang_after = "1s" }},
  venues = {{ sim = {{ plugin = "sim", params = {{ flow = "random", instruments = 3, rate = 600, seed = 7, entry_latency = "5ms" }} }} }},
  strategies = {{ good = {{ plugin = "sma", params = {{ fast = 2, slow = 4, size = 10 }} }},
    away = {{ plugin = "{MISBEHAVE}", params = {{ order = "tick:{how}", at = 25 }}, placement = "{placement}", deployment = {{ governor = {{ watchdog = "1s" }} }} }} }},
}}
"""


def ends_by(host, number):
    host.launch("--json", "--quiet")
    _, status = os.waitpid(host.process.pid, 0)
    host.process.returncode = -1
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, (status, host.text("err"))


def verified(host):
    done = host.command("replay", "data", "--verify", "--json")
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    result = json.loads(done.stdout)
    assert result["same"] and result["skipped"] == 0, result
    return result


def fell(result, session, words):
    rows = [row for row in result["not_run_again"] if row["session"] == session]
    assert len(rows) == 1 and words in rows[0]["words"], (words, result["not_run_again"])
    return rows[0]



def takes_the_host_down(threads, how, number):
    with Host({"host.lua": config(threads, how)}) as host:
        ends_by(host, number)
        words = "plugin misbehave 1.0.0: on_tick"
        result = verified(host)
        before = fell(result, 1, words)
        assert result["compared"]["decision"] > 0 and result["sessions"] == 1, result
        text = host.command("replay", "data", "--verify").stdout
        assert "the same, byte for byte" in text and f"session 1, record {before['record']}: away/" in text, text
        for _ in range(2):  # while the journal is read: it is fed again, and falls again
            ends_by(host, number)
        host.start("--json", "--quiet")
        until("the other one trades", lambda: host.strategies("good")[0]["turnover"] > 0 and host.ask("status")["ticks"] > 60)
        host.stop()
        result = verified(host)
        assert fell(result, 1, words)["record"] == before["record"], (before, result["not_run_again"])
        return result


def falls_elsewhere(threads, how, placement, gone):
    with Host({"host.lua": config(threads, how, placement)}) as host:
        host.start("--json", "--quiet")
        until("it is given up", lambda: gone in host.text("err"))
        ticks = host.ask("status")["ticks"]
        until("the other one trades on", lambda: host.ask("status")["ticks"] > ticks + 60)
        host.stop()
        result = verified(host)
        fell(result, 1, "away@1.0.0, which ran elsewhere, was given up")
        assert result["compared"]["decision"] > 0, result


def falls_when_it_is_taken_down():
    with Host({"host.lua": config("false", "null").replace("tick:null", "destroy:null")}) as host:
        host.start("--json", "--quiet")
        until("it has traded", lambda: host.ask("status")["ticks"] > 60)
        host.process.send_signal(signal.SIGTERM)
        _, status = os.waitpid(host.process.pid, 0)
        host.process.returncode = -1
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV, (status, host.text("err"))
        host.replays = False
        done = host.command("replay", "data", "--verify")
        assert done.returncode != 0, done.stdout
        words = done.stderr.strip().splitlines()[-1]
        assert "plugin misbehave 1.0.0: destroy ended in SIGSEGV" in words and "hadron validate" in words, done.stderr


def main():
    if SANITIZED:
        print("skipped: the signals are the sanitizer's")
        return 77
    for threads in ("false", "true"):
        takes_the_host_down(threads, "null", signal.SIGSEGV)
    takes_the_host_down("false", "hang", signal.SIGABRT)
    falls_elsewhere("true", "hang", "thread", "ALERT strategy away (thread): is fenced")
    falls_elsewhere("false", "null", "process", "away (process): has left")
    falls_when_it_is_taken_down()
    print("crashed and hung, inline, in a thread and in a worker: run again, and still there")
    return 0


sys.exit(main())
