"""Promise: a strategy that takes too long, allocates too often or fails too many times in a row is told of, fenced or switched off, as its
deployment says, and only it: the others trade on. One that never comes back takes the host down by the watchdog, which leaves a record
with the plugin's name, and the next start says so, once. A replay does not depend on how fast the machine is: time is not held to there.

How: hosts of the built program in directories of their own, with the simulated exchange and a plugin that misbehaves by parameter. Waiting
is asking again until an answer comes, at most WAIT_S seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import HADRON, PLUGINS, WAIT_S, together, until  # noqa: E402

PLUGIN = os.path.join(PLUGINS, "misbehave.so")
SANITIZED = os.environ.get("HADRON_SANITIZE", "") != ""

# One strategy per budget and action; it breaks its budget on the first of three instruments.
KINDS = {"time": ("slow", 'time = "1ms"'), "allocations": ("hungry", "allocations = 6"), "errors": ("error", "errors = 4")}
ACTIONS = ("warn", "fence", "disable")


def strategy(name, order, governor, more=""):
    return f"""    {name} = {{ plugin = "{PLUGIN}", universe = {{ "AAA", "BBB", "CCC" }}, params = {{ order = "{order}", only = "AAA", at = 5 {more} }},
      deployment = {{ governor = {{ {governor} }} }} }},\n"""


def config(strategies, threads, form="paper"):
    return f"""return {{
  mode = "{form}", engine = {{ errors_max = 0, measure_every = 4, threads = {"true" if threads else "false"}, shards = {2 if threads else 1} }},
  account = {{ cash = 1000000 }}, registry = {{ enabled = false }}, -- it would not take the plugin: its imports alone tell what it is
  venues = {{ sim = {{ plugin = "sim", params = {{ flow = "random", symbols = {{ "AAA", "BBB", "CCC" }}, rate = 100, seed = 7 }} }} }},
  strategies = {{
{strategies}  }},
}}
"""


class Host(host_of.Host):
    replays = False  # a strategy that takes its time would take it again

    def __init__(self, text, directory=None):
        super().__init__({"host.lua": text}, directory=directory)

    def __enter__(self):
        return self.launch("--json")

    def status(self):
        assert not self.died(), self.text("err")
        done = self.command("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None


def rows_of(status):
    return {row["name"]: row for row in status["strategies"]} if status else {}


def settled(rows):
    """Everything that is going to happen has: the warned ones were over again and again, the disabled ones are off as a whole."""
    if not rows:
        return False
    for kind in KINDS:
        warn, fence, off = (rows[f"{kind}_{action}"] for action in ACTIONS)
        if warn["governor"]["over"][kind] < 10 or fence["fenced"] < 1 or off["fenced"] < 3:
            return False
    return all(rows["good"]["latency"]["count"] > 20 for _ in (1,))


def each_budget_and_each_action(threads):
    text = "".join(strategy(f"{kind}_{action}", f"tick:{how}", f'{budget}, over = 2, action = "{action}"') for kind, (how, budget) in KINDS.items() for action in ACTIONS)
    # `good` is under the same budgets, but keeps them; nobody watches `free`.
    text += strategy("good", "", 'time = "10s", allocations = 1, errors = 1, watchdog = "60s", action = "disable"')
    text += strategy("free", "tick:hungry", "")
    with Host(config(text, threads)) as host:
        rows = until("every budget was acted upon", lambda: (lambda r: r if settled(r) else None)(rows_of(host.status())))
        before = rows["good"]["latency"]["count"]
        rows = until("the good one goes on", lambda: (lambda r: r if r and r["good"]["latency"]["count"] > before + 20 else None)(rows_of(host.status())))
        for kind in KINDS:
            for action in ACTIONS:
                row = rows[f"{kind}_{action}"]
                governor, name = row["governor"], f"{kind}_{action}"
                fenced = {"warn": 0, "fence": 1, "disable": 3}[action]
                # A machine that is busy lets others than the slow one take a millisecond.
                assert row["fenced"] == fenced or (name == "time_fence" and row["fenced"] > 1), (name, row)
                assert governor["fenced"] == row["fenced"], (name, row)
                assert governor["disabled"] == (action == "disable"), (name, governor)
                assert governor["budget"]["action"] == action and governor["budget"]["over"] == 2, (name, governor)
                # over = 2: two are let pass, the third one acts; after that there is none
                over = governor["over"][kind]
                assert over >= 10 if action == "warn" else over == 3 or (kind == "time" and over > 3), (name, governor)
                assert all(n == 0 for other, n in governor["over"].items() if other != kind), (name, governor)
                if kind == "time":
                    assert governor["slowest_ns"] >= 3_000_000, (name, governor)
                if kind == "allocations":
                    assert governor["most_allocations"] == 7 and not governor["blind"], (name, governor)
        good, free = rows["good"], rows["free"]
        assert good["fenced"] == 0 and not any(good["governor"]["over"].values()) and not good["governor"]["disabled"], good
        assert good["governor"]["most_allocations"] == 0, good
        assert free["governor"] is None and free["fenced"] == 0, free
        status = host.status()
        assert status["alerts"] >= 9, status
        metrics = subprocess.run([HADRON, "status"], cwd=host.directory, capture_output=True, text=True)
        assert " OFF" in metrics.stdout and " FENCED" in metrics.stdout and " OVER" in metrics.stdout, metrics.stdout
        host.stop()
        said = host.text("err")
        for words in ("time_warn/AAA: budget: on_tick took 3", "allocated 7 times, allowed are 6", "5 callbacks failed in a row, the last was on_tick; allowed are 4",
                      "it gets no more calls, its positions stay", "the version is switched off, its positions stay"):
            assert words in said, (words, said[-4000:])


def a_hang_is_named():
    directory = tempfile.mkdtemp(prefix="hd", dir="/tmp")
    try:
        hang = strategy("stuck", "tick:hang", 'watchdog = "1s"')
        with Host(config(hang, False), directory) as host:
            assert host.process.wait(WAIT_S) == -signal.SIGABRT, host.text("err")
            said = host.text("err")
            assert "strategy stuck/AAA: plugin misbehave 1.0.0: on_tick did not come back within 1.00 s" in said, said
        records = os.listdir(os.path.join(directory, "data", "crash"))
        assert len(records) == 1 and records[0].endswith(".crash"), records
        with open(os.path.join(directory, "data", "crash", records[0])) as file:
            record = dict(line.rstrip("\n").split(": ", 1) for line in file)
        assert record["plugin"] == "misbehave" and record["version"] == "1.0.0" and record["instance"] == "stuck/AAA" and record["callback"] == "on_tick", record
        assert len(record["digest"]) == 64 and int(record["sequence"]) > 0, record
        # The next start says so, the one after it has nothing to say.
        good = strategy("stuck", "", 'watchdog = "1s"')
        for times in (1, 0):
            with Host(config(good, False), directory) as host:
                status = until("the host answers", host.status)
                words = "an earlier run was stopped at"
                assert (words in (status.get("alert") or "")) == bool(times), status
                host.stop()
                assert (words in host.text("err")) == bool(times), host.text("err")
        assert os.listdir(os.path.join(directory, "data", "crash"))[0].endswith(".crash.told")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def backtest(governor, order):
    directory = tempfile.mkdtemp(prefix="hd", dir="/tmp")
    try:
        with open(os.path.join(directory, "back.lua"), "w") as file:
            file.write(f"""return {{
  mode = "backtest", data_dir = "data", seed = 3, engine = {{ errors_max = 0 }}, account = {{ cash = 1000000 }},
  venues = {{ replay = {{}}, sim = {{}} }}, sample = {{ kind = "equity", instruments = 2, duration = "1d", seed = 5 }},
  strategies = {{ one = {{ plugin = "{PLUGIN}", params = {{ order = "{order}", at = 50 }}, deployment = {{ governor = {{ {governor} }} }} }} }},
}}""")
        done = subprocess.run([HADRON, "backtest", "back.lua", "--json", "--no-progress"], cwd=directory, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["digest"], done.stderr
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def a_replay_is_of_no_machine():
    free, _ = backtest("", "")
    hurried, said = backtest('time = "1ns", watchdog = "1ms", action = "disable"', "")
    assert hurried == free and "budget" not in said, said
    # Allocations are the plugin's own doing: the same in every run.
    fenced, said = backtest('allocations = 3, action = "fence"', "tick:hungry")
    again, _ = backtest('allocations = 3, action = "fence"', "tick:hungry")
    assert "allocated 7 times, allowed are 3" in said, said
    assert fenced == again and fenced != free


def main():
    if SANITIZED:
        print("skipped: the sanitizer has a malloc of its own, which the program does not count")
        return 77
    together((each_budget_and_each_action, False), (each_budget_and_each_action, True), a_hang_is_named, a_replay_is_of_no_machine)
    print("3 budgets x 3 actions in two forms; a hang was named and told once")
    return 0


sys.exit(main())
