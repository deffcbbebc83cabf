"""Promise: whatever moment of a hot swap the host dies at, exactly one version is live after the next start: the old one until the journal
has the record of the change, the new one from then on; the deployment's history says what became of the revision, and the version that is
live trades. Both for a version that takes a state over and for one that was running as a shadow.

A real host dies at each named crash point (host/base/crash_point.c), by SIGKILL, and is started again on the same directory."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("HADRON_BUILD_DIR", "build/release")
HADRON = os.path.join(BUILD, "hadron")
SOURCE = os.environ["HADRON_SOURCE_DIR"]
WAIT_S = 120

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 500, seed = 7 } } },
  strategies = { turns = { plugin = here("turns.lua"), deployment = { warm = "10m" } } },
}
"""
SCRIPT = """-- hadron: strategy turns %s
-- description: holds a position for some trades, then the other one
-- requires: hadron.strategy/1
return hadron.strategy {
  state = { "seen:int64" },
  on_start = function(self) self.seen = self.seen or 0 end,
  on_trade = function(self)
    self.seen = self.seen + 1
    if self.seen %% 5 == 0 then self:target(self.seen %% 10 == 0 and 500000000 or -500000000) end -- 1e-8 units
  end,
}
"""
BEFORE = {"change.pending", "change.staged", "change.agreed"}


def crash_points():
    with open(os.path.join(SOURCE, "host/base/crash_point.c")) as file:
        return [name for name in re.findall(r'"([a-z_.]+)"', file.read()) if name.startswith("change.")]


def until(what, question):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        select.select([], [], [], 0.02)
    raise AssertionError(f"not within {WAIT_S} s: {what}")


class Place:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hd", dir="/tmp")
        self.write("small.lua", CONFIG)
        self.write("turns.lua", SCRIPT % "1.0.0")
        self.write("turns-2.lua", SCRIPT % "2.0.0")
        self.process = None

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(text)

    def command(self, *words):
        return subprocess.run([HADRON, *words, "--data-dir", "data", "--json"], cwd=self.directory, capture_output=True, text=True, timeout=WAIT_S)

    def start(self, crash_at=None):
        environment = dict(os.environ)
        environment.pop("HADRON_CRASH_AT", None)
        if crash_at:
            environment["HADRON_CRASH_AT"] = crash_at
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.process = subprocess.Popen([HADRON, "run", "small.lua", "--quiet"], cwd=self.directory, stdout=log, stderr=log, env=environment)
        until("the host answers", lambda: self.process.poll() is not None or self.command("status").returncode == 0)
        assert self.process.poll() is None, self.log()

    def log(self):
        with open(os.path.join(self.directory, "log")) as file:
            return file.read()[-4000:]

    def rows(self):
        return [row for row in json.loads(self.command("status").stdout)["strategies"] if row["name"] == "turns"]

    def live(self):
        live = [row for row in self.rows() if row["role"] == "live"]
        assert len(live) == 1, live
        return live[0]["version"]

    def executions(self):
        return json.loads(self.command("status").stdout)["executions"]

    def history(self):
        return json.loads(self.command("history", "turns").stdout)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(WAIT_S)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def state_of(history, version):
    revisions = history["revisions"] if isinstance(history, dict) else history
    return [r["state"] for r in revisions if version in json.dumps(r)]


def dies_at(point, shadow):
    place = Place()
    try:
        place.start()
        added = place.command("registry", "add", "turns-2.lua")
        assert added.returncode == 0, added.stdout + added.stderr + place.log()
        if shadow:
            done = place.command("ab", "turns", "1.0.0=1", "--shadow", "2.0.0")
            assert done.returncode == 0, done.stdout + done.stderr
        place.stop()
        # A start that finds a shadow in the deployment makes its seat by a change of its own.
        place.start(crash_at=point + ":2" if shadow and point not in {"change.pending", "change.active"} else point)
        place.command("promote", "turns@2.0.0", "--why", "a test")
        until(f"the host dies at {point}", lambda: place.process.poll() is not None)
        assert place.process.returncode == -signal.SIGKILL, place.process.returncode
        place.start()
        expected = "1.0.0" if point in BEFORE else "2.0.0"
        assert place.live() == expected, (point, shadow, place.rows(), place.log())
        states = state_of(place.history(), "2.0.0")
        assert "pending" not in states, (point, place.history())
        until("it trades", lambda: place.executions() > 0)
        again = place.command("promote", "turns@2.0.0", "--why", "once more")
        assert again.returncode == 0, again.stdout + again.stderr
        assert place.live() == "2.0.0"
        place.stop()
        assert place.process.returncode == 0, place.log()
    finally:
        place.close()


def main():
    points = crash_points()
    assert len(points) >= 7, points
    for shadow in (False, True):
        for point in points:
            dies_at(point, shadow)
            print(f"{point}{' from a shadow' if shadow else ''}: one version is live")
    return 0


if __name__ == "__main__":
    sys.exit(main())
