"""The built program, run as an operator runs it: a host in a directory of its own, spoken with by its commands.

    with Host({"host.lua": CONFIG}) as host:
        host.start()
        assert host.ask("status")["ticks"] >= 0
        host.stop()

`start` waits until it answers. The last start's standard output is in the file `out`, its errors in `err`."""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import traceback

BUILD = os.environ.get("HADRON_BUILD_DIR", "build/release")
HADRON = os.path.join(BUILD, "hadron")
PLUGINS = os.environ.get("HADRON_TEST_PLUGIN_DIR", os.path.join(BUILD, "tests/plugins"))
WAIT_S = 200  # nothing takes that long; a machine that is busy, or a sanitizer, may come near


PATIENT = ("--set", "engine.handover_max=10s")  # a swap is not refused because this machine had something else to do
TURNS = """-- hadron: strategy turns %s
-- description: holds a position for some trades, then the other one
-- requires: hadron.strategy/1
return hadron.strategy {
  params = { length = { type = "integer", default = 10, min = 1, max = 1000, help = "trades" } },
  on_start = function(self) self.seen = self.seen or 0 end,
  on_trade = function(self, price, size, market)
    self.seen = self.seen + 1
    %s
    if self.seen %% self.params.length == 0 then self:target((self.seen // self.params.length %% 2 == 0) and hadron.quantity("%s") or hadron.quantity("-5")) end
  end,
  save = function(self) return { seen = self.seen } end,
  load = function(self, saved) %s end,
}
"""


def turns(version, does="", size="5", load="self.seen = saved.seen"):
    """A strategy in Lua that always has something to do: a version of it, which may do something more, hold another size, or fail to load."""
    return TURNS % (version, does, size, load)


def until(what, question):
    """The first answer that is not None or False; asks again until then, at most WAIT_S seconds."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        select.select([], [], [], 0.02)
    raise AssertionError(f"not within {WAIT_S} s: {what}")


def together(*cases, at_once=3):
    """Runs cases that know nothing of each other side by side: each waits most of its time. (function, argument, ...) or a function. All of them
    end before this does; the first that failed is raised, the others are printed."""
    waiting, failed, lock = list(cases), [], threading.Lock()

    def work():
        while True:
            with lock:
                if not waiting or failed:
                    return
                case = waiting.pop(0)
            words = case if isinstance(case, tuple) else (case,)
            name = " ".join([words[0].__name__] + [str(getattr(w, "__name__", w)) for w in words[1:]])
            try:
                words[0](*words[1:])
            except BaseException as error:  # pylint: disable=broad-except
                with lock:
                    failed.append(error)
                    print(f"{name} failed:\n{traceback.format_exc()}", flush=True)

    threads = [threading.Thread(target=work) for _ in range(min(at_once, len(cases)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def children(pid):
    """Workers of a host, by /proc."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and b"--child" in words:
            found.append(int(name))
    return found


class Host:
    replays = True  # at the end; False: its strategies would do to the replay what they did to the host

    def __init__(self, files, config="host.lua", directory=None):
        self.keep = directory is not None
        self.directory = directory or tempfile.mkdtemp(prefix="hd", dir="/tmp")  # short: the path of a socket has 107 bytes
        self.config = config
        self.process = None
        for name, text in files.items():
            self.write(name, text)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.process:
            print(self.text("err")[-4000:])
        self.kill()
        try:
            if not kind and self.replays:
                self.replay()
        finally:
            self.remove()

    def replay(self):
        """Whatever happened to the host: its journal, run again, comes out the same. A version that is gone by now is no difference."""
        if os.path.isdir(self.path("data", "journal")):
            done = self.command("replay", "data", "--verify")
            assert done.returncode == 0 or "not to be had" in done.stderr, (done.returncode, done.stdout, done.stderr)

    def remove(self):
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- the process

    def launch(self, *arguments, environment=None):
        """Starts it and waits for nothing."""
        with open(self.path("out"), "wb") as out, open(self.path("err"), "wb") as err:
            self.process = subprocess.Popen([HADRON, "run", self.config, *PATIENT, *arguments], cwd=self.directory, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        return self

    def start(self, *arguments, environment=None):
        return self.launch(*arguments, environment=environment).answers()

    def answers(self):
        until("the host answers", lambda: self.died() or self.command("status", "--json").returncode == 0)
        assert not self.died(), self.text("err")
        return self

    def died(self):
        return self.process.poll() is not None

    def stop(self, number=signal.SIGINT):
        """Asks it to end; what it printed."""
        self.process.send_signal(number)
        assert self.process.wait(WAIT_S) == (-number if number == signal.SIGKILL else 0), self.text("err")
        return self.text("out")

    def kill(self):
        if self.process and not self.died():
            self.process.kill()
            self.process.wait()

    # ---- its commands

    def command(self, *words):
        return subprocess.run([HADRON, *words], cwd=self.directory, capture_output=True, text=True, timeout=WAIT_S, check=False)

    def ask(self, *words):
        done = self.command(*words, "--json")
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def refused(self, *words, code=6):
        done = self.command(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stderr

    def strategies(self, name):
        return [row for row in self.ask("status")["strategies"] if row["name"] == name]

    def revisions(self, name):
        return self.ask("history", name)["revisions"]
