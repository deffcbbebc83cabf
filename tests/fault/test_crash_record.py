"""Promise: a strategy that takes the host down by a signal (SIGSEGV sent and by a null pointer, SIGBUS, SIGFPE, SIGILL, SIGABRT, an overflow of
its stack) is named: a crash record says plugin, version, digest, instance, callback and the sequence of the tick, the words are on standard
error, and the program ends by that very signal, with a core where cores are dumped. The next start tells it, once. A version that has done
so three times within an hour does not run a fourth time: the start goes back to the version before it, as a revision of its own; where
there is none the strategy stays without ticks, and the others trade.

How: hosts of the built program in directories of their own, in one thread and in many, with a plugin that misbehaves by parameter, or, for the
registry, with one that breaks where the environment says so. Waiting is asking again until an answer comes, at most WAIT_S seconds."""

import os
import resource
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import PLUGINS, Host, until

MISBEHAVE = os.path.join(PLUGINS, "misbehave.so")
TROUBLE = os.path.join(PLUGINS, "late_trouble.so")
SANITIZED = os.environ.get("HADRON_SANITIZE", "") != ""

WAYS = {"segv": signal.SIGSEGV, "null": signal.SIGSEGV, "bus": signal.SIGBUS, "fpe": signal.SIGFPE, "ill": signal.SIGILL, "abort": signal.SIGABRT, "stack": signal.SIGSEGV}


def config(strategies, threads=False, registry="registry = { enabled = false }, "):
    return f"""return {{
  mode = "paper", engine = {{ threads = {"true" if threads else "false"}, shards = {2 if threads else 1} }}, account = {{ cash = 1000000 }}, {registry}
  venues = {{ sim = {{ plugin = "sim", params = {{ flow = "random", symbols = {{ "AAA", "BBB" }}, rate = 200, seed = 7 }} }} }},
  strategies = {{
{strategies}  }},
}}
"""


def misbehaving(order, name="stuck"):
    return f'    {name} = {{ plugin = "{MISBEHAVE}", params = {{ order = "{order}", only = "AAA", at = 5 }} }},\n'


class Place(Host):
    """A directory with a configuration; hosts start in it one after the other."""

    replays = False

    def __init__(self, text):
        super().__init__({"host.lua": text})

    def ends_by(self, number, **environment):
        """Starts one and reaps it; says whether a core was dumped."""
        self.launch("--json", "--quiet", environment=environment)
        _, status = os.waitpid(self.process.pid, 0)
        self.process.returncode = -1
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, (status, self.text("err"))
        return os.WCOREDUMP(status)

    def begin(self):
        return self.start("--json", "--quiet").ask("status")

    def records(self):
        folder = self.path("data", "crash")
        rows = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name)) as file:
                rows.append({**dict(line.rstrip("\n").split(": ", 1) for line in file if ": " in line), "name": name})
        return rows


def cores_are_dumped():
    """Does a process that this one starts leave a core, as the limits stand?"""
    directory = tempfile.mkdtemp(prefix="hd", dir="/tmp")
    pid = os.fork()
    if pid == 0:
        os.chdir(directory)
        os.kill(os.getpid(), signal.SIGSEGV)
        os._exit(0)
    dumped = os.WCOREDUMP(os.waitpid(pid, 0)[1])
    shutil.rmtree(directory, ignore_errors=True)
    return dumped


def each_signal_is_named(threads):
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (64 << 20 if most < 0 else min(64 << 20, most), most))
    dumps = cores_are_dumped()
    for how, number in WAYS.items():
        with Place(config(misbehaving(f"tick:{how}"), threads)) as place:
            dumped = place.ends_by(number)
            said, records = place.text("err"), place.records()
            assert dumped == dumps, (how, dumped, dumps)
            assert len(records) == 1 and records[0]["name"].endswith(".crash"), (how, records, said)
            row = records[0]
            assert row["plugin"] == "misbehave" and row["version"] == "1.0.0" and row["instance"] == "stuck/AAA" and row["callback"] == "on_tick", (how, row)
            assert row["strategy"] == "stuck" and len(row["digest"]) == 64 and int(row["sequence"]) > 0 and int(row["process"]) > 0, (how, row)
            assert number.name in row["reason"] and ("hd-shard" in row["reason"]) == threads, (how, row)
            assert (" at 0x0 " in row["reason"]) == (how == "null"), (how, row)
            words = f"stuck/AAA: plugin misbehave 1.0.0: on_tick ended in {number.name}"
            assert words in said and "its journal is whole" in said and row["name"] in said, (how, said)


def the_next_start_tells():
    with Place(config(misbehaving("tick:null"))) as place:
        place.ends_by(signal.SIGSEGV)
        place.write("host.lua", config(misbehaving("")))
        for times in (1, 0):
            status = place.begin()
            assert ("an earlier run was stopped at" in (status.get("alert") or "")) == bool(times), status
            assert ("stuck/AAA, plugin misbehave 1.0.0: on_tick ended in SIGSEGV" in (place.stop(), place.text("err"))[1]) == bool(times), place.text("err")
        assert [row["name"].endswith(".crash.told") for row in place.records()] == [True]


def again_and_again_without_a_registry():
    """Three times, then it gets no ticks; another strategy trades."""
    with Place(config(misbehaving("tick:null") + misbehaving("", "good"))) as place:
        for _ in range(3):
            place.ends_by(signal.SIGSEGV)
        place.begin()
        rows = until("the other one trades", lambda: (lambda s: {r["name"]: r for r in s["strategies"]} if s["orders"] > 0 else None)(place.ask("status")))
        assert rows["stuck"]["fenced"] == 2 and rows["stuck"]["latency"]["count"] == 0 and rows["good"]["fenced"] == 0, rows
        place.stop()
        assert "brought the host down 3 times within an hour: it gets no ticks" in place.text("err")


TURNS = """-- hadron: strategy turns %s
-- description: trades now and then
-- requires: hadron.strategy/1
return hadron.strategy {
  on_start = function(self) self.seen = 0 end,
  on_trade = function(self) self.seen = self.seen + 1; if self.seen %% 20 == 0 then self:target(self.seen // 20) end end,
}
"""


def back_to_the_version_before():
    """A version of the registry that is let in, and crashes later: the fourth start runs the one before it, as a revision of its own."""
    text = config(f'    trend = {{ plugin = "{TROUBLE}" }},\n', registry="")
    with Place(text) as place:
        with open(TROUBLE, "rb") as file:
            image = bytearray(file.read())
        status = place.begin()
        first = status["strategies"][0]["version"]
        place.stop()
        # The same plugin under another version: the digits of its manifest are raised, wherever they stand.
        at = image.count(first.encode() + b"\0")
        assert at > 0, first
        image = bytes(image).replace(first.encode() + b"\0", b"9.0.0"[:len(first)].ljust(len(first), b"0") + b"\0")
        with open(os.path.join(place.directory, "next.so"), "wb") as file:
            file.write(image)
        os.chmod(os.path.join(place.directory, "next.so"), 0o644)
        place.begin()
        place.ask("registry", "add", "next.so")
        assert place.ask("promote", "trend@9.0.0")["changed"]
        place.stop()
        for _ in range(3):
            place.ends_by(signal.SIGSEGV, HADRON_TEST_TROUBLE="crash")
        assert [row["version"] for row in place.records()] == ["9.0.0"] * 3, place.records()
        status = place.begin()
        assert [row["version"] for row in status["strategies"]] == [first], status["strategies"]
        rows = place.ask("history", "trend")["revisions"]
        assert [r["state"] for r in rows] == ["superseded", "superseded", "active"] and rows[2]["who"] == "guard" and rows[2]["equals"] == 1, rows
        assert "9.0.0 brought the host down 3 times within an hour" in rows[2]["why"], rows
        # The operator's word: it may try again.
        assert place.ask("promote", "trend@9.0.0")["changed"]
        place.stop()
        assert place.begin()["strategies"][0]["version"] == "9.0.0"
        place.stop()


def main():
    if SANITIZED:
        print("skipped: the signals are the sanitizer's")
        return 77
    each_signal_is_named(False)
    each_signal_is_named(True)
    the_next_start_tells()
    again_and_again_without_a_registry()
    back_to_the_version_before()
    print(f"{len(WAYS)} ways to crash in two forms: named, told once, and not a fourth time")
    return 0


sys.exit(main())
