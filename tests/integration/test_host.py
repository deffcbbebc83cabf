"""Promise: a running host does what an operator tells it, in one thread and in many: it shows itself, kills, releases, changes limits and
parameters, stops cleanly with a summary that agrees with its database, refuses a second host, users who may not, and a wrong
configuration with all its errors; and nothing that is sent to its control socket stops it.

Each case starts the built program in a directory of its own with the simulated exchange, and speaks with it by its commands and by its
socket. Waiting is asking again until an answer comes, at most WAIT_S seconds."""

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import HADRON, WAIT_S, until  # noqa: E402

SEED = int(os.environ.get("HADRON_TEST_SEED", time.time_ns() % 1_000_000))

CONFIG = """return {
  mode = "paper",
  account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 4, rate = 200, seed = 7 } } },
  strategies = {
    sma = { plugin = "sma", params = { fast = 5, slow = 20, size = 10 } },
    quotes = { plugin = "market_maker" },
  },
  services = { recorder = { plugin = "recorder", params = { url = "sqlite:data/hadron.sqlite" } } },
}
"""


class Host(host_of.Host):
    """Started when it is entered."""

    def __init__(self, *arguments):
        super().__init__({"small.lua": CONFIG}, config="small.lua")
        self.arguments = arguments
        self.socket = self.path("data", "hadron.sock")

    def __enter__(self):
        return self.start(*self.arguments)

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(WAIT_S)

        def connected():  # the queue of those who wait to be let in may be full
            try:
                client.connect(self.socket)
            except BlockingIOError:
                return False
            return True

        until("the host lets a client in", connected)
        return client


def line(client):
    """One line, and nothing of the next."""
    got = b""
    while not got.endswith(b"\n"):
        piece = client.recv(65536, socket.MSG_PEEK)
        if not piece:
            break
        got += client.recv(piece.index(b"\n") + 1 if b"\n" in piece else len(piece))
    return got


# ---- cases ----------------------------------------------------------------------------------------------------------------------------


def check_wrong_configuration():
    host = Host()
    wrong = host.path("wrong.lua")
    with open(wrong, "w") as file:
        file.write('return {\n  mode = "papr",\n  engine = { shard = 2 },\n  venues = { sim = { params = { rate = 5 } } },\n}\n')
    done = host.command("run", "--check", "wrong.lua")
    assert done.returncode == 3, done
    assert "wrong.lua:2: mode" in done.stderr and "wrong.lua:3: engine.shard" in done.stderr, done.stderr
    with open(wrong, "w") as file:
        file.write('return {\n  venues = { sim = {\n    params = { rate = "many",\n      flow = "random" } } },\n  strategies = { a = {\n    plugin = "nowhere" } },\n'
                   '  services = { b = { plugin = "sma" } },\n}\n')
    done = host.command("run", "--check", "wrong.lua")
    assert done.returncode == 3, done
    for place in ("wrong.lua:3: sim", "nowhere", "wrong.lua:7: b"):
        assert place in done.stderr, (place, done.stderr)
    assert not os.path.exists(host.path("data")), "a check starts nothing"
    good = host.command("run", "--check", "small.lua")
    assert good.returncode == 0 and "good" in good.stdout, good
    shutil.rmtree(host.directory)


def check_live_is_asked_for_twice():
    host = Host()
    once = host.command("run", "small.lua", "--set", "mode=live")
    assert once.returncode == 2 and "twice" in once.stderr, once
    other = host.command("run", "small.lua", "--live")
    assert other.returncode == 2 and "twice" in other.stderr, other
    assert host.command("run", "small.lua", "--live", "--paper").returncode == 2
    assert host.command("run", "small.lua", "--set", "mode=backtest").returncode == 2
    assert not os.path.exists(host.path("data"))
    shutil.rmtree(host.directory)


def check_no_host():
    host = Host()
    for words in (["status"], ["positions"], ["orders"], ["kill"], ["release"], ["set", "risk.position_max=1"]):
        assert "no host is running" in host.refused(*words, code=5), words
    shutil.rmtree(host.directory)


def check_summary_agrees_with_database():
    host = Host()
    done = host.command("run", "small.lua", "--duration", "4s", "--json")
    assert done.returncode == 0, done
    assert len(done.stdout.splitlines()) == 1
    summary = json.loads(done.stdout)
    assert summary["identity"] and summary["ended_by"] == "its duration"
    assert summary["ticks"] > 100 and summary["executions"] > 0, summary
    database = sqlite3.connect(host.path("data", "hadron.sqlite"))
    for key, table in (("ticks", "hadron_ticks"), ("decisions", "hadron_strategy_decisions"), ("intents", "hadron_order_intents"), ("executions", "hadron_order_executions")):
        rows = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert rows == summary[key], (table, rows, summary[key])
    database.close()
    shutil.rmtree(host.directory)


def check_administration(*arguments):
    with Host("--json", *arguments) as host:
        assert stat.S_IMODE(os.stat(host.socket).st_mode) == 0o600
        until("orders are open", lambda: host.ask("orders")["open_orders"] > 0)
        until("something was bought", lambda: host.ask("positions")["positions"])
        status = host.ask("status")
        assert status["mode"] == "paper" and len(status["strategies"]) == 2 and status["venues"][0]["state"] == "ready", status
        assert "SIM00" in host.command("status").stdout and "SIM" in host.command("positions").stdout and "limit" in host.command("orders").stdout
        # each stage is measured, in one thread and in many
        stages = ("normalize", "engine", "merge", "risk", "gateway", "tick_to_order")
        rows = until("every stage was measured", lambda: (lambda r: r if all(r[s]["count"] for s in stages) else None)({r["stage"]: r for r in host.ask("status")["latency"]}))
        assert list(rows) == list(stages) and all(0 < r["p50_ns"] <= r["p99_ns"] <= r["max_ns"] for r in rows.values()), rows
        assert "gateway" in host.command("status").stdout
        # a second host
        second = host.command("run", "small.lua")
        assert second.returncode != 0 and "another host" in second.stderr, second
        without_journal = host.command("run", "small.lua", "--set", "journal.enabled=false", "--set", "services.recorder.enabled=false")
        assert without_journal.returncode != 0, without_journal
        # kill: everything is cancelled, new orders are denied, until released
        killed = host.ask("kill", "for", "the", "test")
        assert killed["killed"] and killed["cancels_sent"] > 0, killed
        until("open orders are gone", lambda: host.ask("status")["open_orders"] == 0)
        until("orders are denied", lambda: host.ask("status")["denied_by"].get("KILLED"))
        orders = host.ask("status")["orders"]
        assert "for the test" in host.ask("status")["kill_reason"]
        until("more are denied", lambda: host.ask("status")["denied_by"]["KILLED"] > 3)
        assert host.ask("status")["orders"] == orders
        assert not host.ask("release")["killed"]
        assert "not on" in host.refused("release")
        until("orders again", lambda: host.ask("status")["orders"] > orders)
        # kill by file, and by signal
        kill_file = host.path("data", "KILL")
        open(kill_file, "w").close()
        until("killed by the file", lambda: host.ask("status")["killed"])
        assert "KILL" in host.refused("release")
        os.remove(kill_file)
        until("released", lambda: host.command("release").returncode == 0)
        host.process.send_signal(signal.SIGUSR1)
        until("killed by the signal", lambda: host.ask("status")["killed"])
        assert "SIGUSR1" in host.ask("status")["kill_reason"]
        host.ask("release", "done")
        # limits, parameters, rules, keys; all are read before the first is carried out
        host.ask("set", "risk.order_quantity_max=3", "strategies.sma.params.size=4", "venues.sim.params.reject_rate=0.5", "normalize.outlier_bps=700",
                 "router.volatile_above=0.5", "gateway.query_every=3s", 'router.rules=[{"when":"position","lane":"fast"}]', "instruments.SIM00.risk.position_max=9",
                 "strategies.quotes.risk.open_orders_max=1")
        assert host.ask("status")["limits"] == {"order_quantity_max": 3.0}
        until("larger orders are denied", lambda: host.ask("status")["denied_by"].get("ORDER_QUANTITY_MAX") or host.ask("status")["denied_by"].get("QUANTITY_MAX"))
        assert "did you mean" in host.refused("set", "risk.order_quantity_max=5", "risk.positon_max=3")
        assert host.ask("status")["limits"] == {"order_quantity_max": 3.0}
        for wrong in ("engine.shards=2", "risk.position_max=-1", "risk.position_max=x", "strategies.sma.params.slow=50", "strategies.nobody.params.size=1",
                      "strategies.sma.params.size=0", "router.rules=[{}]", "router.rules=3", "instruments.NONE.risk.position_max=1", "nonsense=1", "risk.order_rate_max=99999999"):
            host.refused("set", wrong)
        host.refused("set", "nonsense", code=6)
        host.refused("set", code=2)
        summary = json.loads(host.stop())
        # what the operator did is in the journal, word for word
        journal = host.path("data", "journal")
        written = b"".join(open(os.path.join(journal, name), "rb").read() for name in sorted(os.listdir(journal)))
        for words in (b"kill: for the test", b"kill: signal SIGUSR1", b"release: done", b"set strategies.sma.params.size=4", b"set risk.order_quantity_max=3"):
            assert words in written, words
        assert summary["ended_by"] == "SIGINT" and summary["identity"], summary
        assert not os.path.exists(host.socket)
        host.refused("status", code=5)


def check_stop_command():
    with Host() as host:
        client = host.connect()
        client.sendall(b'{"command":"stop","reason":"test"}\n')
        assert json.loads(line(client))["ok"]
        assert host.process.wait(WAIT_S) == 0
        text = host.text("out")
        assert "Summary" in text and "add up to the last unit" in text, text
        assert "stop: test" in host.text("err")


def check_replay():
    host = Host()
    without_services = CONFIG.replace(next(row for row in CONFIG.splitlines() if "recorder" in row), "")
    with open(host.path("small.lua"), "w") as file:
        file.write(without_services)
    short = host.command("replay", "small.lua", "--duration", "2s", "--speed", "0", "--json")
    assert short.returncode == 0 and json.loads(short.stdout)["ticks"] > 100, short
    process = subprocess.Popen([HADRON, "replay", "small.lua", "--duration", "1d", "--speed", "50", "--json"], cwd=host.directory, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until("the replay answers", lambda: process.poll() is not None or host.command("status", "--json").returncode == 0)
    assert process.poll() is None, process.communicate()
    client = host.connect()

    def ask(**request):
        client.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(line(client))

    until("ticks flow", lambda: host.ask("status")["ticks"] > 10)
    assert host.ask("status")["form"] == "replay"
    assert ask(command="pause")["result"]["paused"]
    before = host.ask("status")["time"]
    assert host.ask("status")["time"] == before, "a paused clock stands"
    assert not ask(command="seek", to="2001-01-01")["ok"] and not ask(command="seek", to="soon")["ok"]
    assert not ask(command="step", ticks=0)["ok"] and not ask(command="speed", speed=-1)["ok"]
    assert ask(command="speed", speed=200)["ok"] and not ask(command="resume")["result"]["paused"]
    until("it goes on", lambda: host.ask("status")["time"] > before)
    host.ask("kill", "test")
    until("nothing is open", lambda: host.ask("status")["open_orders"] == 0)
    assert ask(command="stop")["ok"]
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0 and json.loads(out)["ticks"] > 10, (process.returncode, out[:200], err)
    shutil.rmtree(host.directory)


def check_stale_socket():
    with Host() as host:
        host.kill()
        assert os.path.exists(host.socket), "a killed host leaves its socket"
        host.refused("status", code=5)
        host.start()
        assert host.ask("status")["mode"] == "paper"
        host.stop(signal.SIGTERM)


def check_other_users():
    if os.geteuid() != 0 or not shutil.which("runuser"):
        print("  not root: a peer of another user was not tried")
        return
    with Host() as host:
        os.chmod(host.directory, 0o755)
        os.chmod(host.path("data"), 0o755)
        other = subprocess.run(["runuser", "-u", "nobody", "--", "python3", "-c", f"import socket; socket.socket(socket.AF_UNIX).connect({host.socket!r})"], capture_output=True, text=True)
        assert "PermissionError" in other.stderr, other
        os.chmod(host.socket, 0o666)  # as if somebody had opened it by mistake: the kernel still says who asks
        script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({host.socket!r}); s.sendall(b'{{\"command\":\"kill\"}}\\n'); print(s.recv(99))"
        other = subprocess.run(["runuser", "-u", "nobody", "--", "python3", "-c", script], capture_output=True, text=True)
        assert "killed" not in other.stdout, other
        assert not host.ask("status")["killed"]
        until("the host said so", lambda: "CONTROL_REFUSED" in host.text("err"))


def check_hostile_clients(*arguments):
    generator = random.Random(SEED)
    with Host(*arguments) as host:
        client = host.connect()
        for request, word in ((b"nonsense", "PARSE"), (b"[]", "PARSE"), (b'{"command":3}', "PARSE"), (b'{"command":"statsu"}', "did you mean"), (b'{"command":"pause"}', "only a replay"),
                              (b'{"command":"kill","raeson":"x"}', "no field"), (b'{"command":"status","command":"kill"}', "PARSE"), (b"[" * 5000, "PARSE"), (b"\xff\xfe\x00", "PARSE"),
                              (b'{"command":"status","instruments":-1}', "expected"), (b'{"command":"set","values":{}}', "expected"), (b'{"command":"set","values":[1]}', "expected"),
                              (b'{"command":"set","values":["=1"]}', "expected"), (b'{"command":"\xc3\xa9\x1b[2J"}', "")):
            client.sendall(request + b"\n")
            answer = json.loads(line(client))
            assert not answer["ok"] and word in json.dumps(answer), (request[:40], answer)
        # two requests in one piece; blank lines are nothing
        client.sendall(b'\n\r\n{"command":"help"}\n{"command":"metrics"}\n')
        assert "commands" in json.loads(line(client))["result"]
        assert json.loads(line(client))["ok"]
        # a line without an end is answered and cut off
        long = host.connect()
        try:
            long.sendall(b"x" * 200000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert b"longer than" in line(long)
        # a slow one waits for nobody and holds nobody up
        slow = host.connect()
        for byte in b'{"command":"help"}':
            slow.sendall(bytes([byte]))
            assert host.process.poll() is None
        assert host.ask("status")["ticks"] >= 0
        slow.sendall(b"\n")
        assert json.loads(line(slow))["ok"]
        # one that asks and never reads
        deaf = host.connect()
        deaf.setblocking(False)
        try:
            for _ in range(20000):
                deaf.send(b'{"command":"metrics"}\n{"command":"status"}\n')
        except (BlockingIOError, BrokenPipeError):
            pass
        # many: the silent ones make room
        many = [host.connect() for _ in range(100)]
        assert host.ask("status")["killed"] is False
        for one in many:
            one.close()
        for _ in range(300):
            one = host.connect()
            size = generator.randrange(1, 2000)
            one.setblocking(False)
            try:
                one.send(generator.randbytes(size) + (b"\n" if generator.random() < 0.7 else b""))
            except (BlockingIOError, BrokenPipeError):
                pass
            one.close()
        assert host.ask("status")["killed"] is False
        host.stop()


CASES = [
    ("a wrong configuration", check_wrong_configuration, ()),
    ("live is asked for twice", check_live_is_asked_for_twice, ()),
    ("no host", check_no_host, ()),
    ("the summary agrees with the database", check_summary_agrees_with_database, ()),
    ("administration, one thread", check_administration, ()),
    ("administration, threads", check_administration, ("--set", "engine.threads=true", "--set", "engine.shards=2")),
    ("stop", check_stop_command, ()),
    ("a replay", check_replay, ()),
    ("a socket that was left behind", check_stale_socket, ()),
    ("other users", check_other_users, ()),
    ("hostile clients", check_hostile_clients, ()),
    ("hostile clients, threads", check_hostile_clients, ("--set", "engine.threads=true", "--set", "engine.shards=2")),
]

if not os.path.exists(HADRON):
    print(f"skipped: {HADRON} is not built")
    sys.exit(77)
HADRON = os.path.abspath(HADRON)
print(f"seed {SEED} (HADRON_TEST_SEED)")
for name, case, arguments in CASES:
    print(f"- {name}", flush=True)
    case(*arguments)
print("all good")
