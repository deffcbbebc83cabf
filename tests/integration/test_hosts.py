"""Promise: several hosts on one registry run the same of a deployment. A change that is asked for on one of them, or on the registry alone,
takes effect on all when all have staged the same artifact, and on none if one of them fails, has another artifact, is silent or dies; the
reason names the host. A host that was away, or came late, follows when it is back; one that does not have the strategy is not asked. A
registry that is away stops no host.

Each case runs on an SQLite file that the hosts share, and on a PostgreSQL server of its own where one is installed. Hosts are the built
program as child processes, each with a data directory and a store of its own. Waiting is asking again until an answer comes, at most WAIT_S
seconds; what a case waits for that the host itself waits for (silence, time-outs) are the host's own seconds."""

import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import host as host_of  # noqa: E402
from support.host import HADRON, WAIT_S, together, turns, until  # noqa: E402

CONFIG = """return {
  mode = "paper",
  data_dir = "data",
  registry = { url = "%s"%s },
  venues = { sim = { params = { flow = "random", instruments = 2, rate = 200, seed = 7 } } },
  strategies = { %s },
}
"""
TREND = 'trend = { plugin = "./turns.lua", deployment = { warm = "10m" } }'
OTHER = 'quiet = { plugin = "./still.lua" }'

STILL = """-- hadron: strategy still 1.0.0
-- description: does nothing
-- requires: hadron.strategy/1
return hadron.strategy { on_trade = function(self) end }
"""


class Postgres:
    """A private cluster: unix socket only, not root."""

    def __init__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        self.programs = os.path.dirname(found[-1]) if found else None
        self.root = None

    def run(self, *words):
        words = ["runuser", "-u", "postgres", "--", *words] if os.getuid() == 0 else list(words)
        done = subprocess.run(words, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def start(self):
        self.root = tempfile.mkdtemp(prefix="hdpg", dir="/tmp")
        os.chmod(self.root, 0o711)
        if os.getuid() == 0:
            os.chown(self.root, pwd.getpwnam("postgres").pw_uid, -1)
        self.run(self.programs + "/initdb", "-D", self.root + "/data", "-U", "hadron", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.on()
        return self

    def on(self):
        self.run(self.programs + "/pg_ctl", "-D", self.root + "/data", "-w", "-t", "60", "-l", self.root + "/server.log", "-o",
                 f"-c listen_addresses= -c unix_socket_directories={self.root} -c fsync=off", "start")

    def off(self):
        self.run(self.programs + "/pg_ctl", "-D", self.root + "/data", "-w", "-t", "60", "-m", "immediate", "stop")

    def remove(self):
        if self.root:
            try:
                self.off()
            except AssertionError:
                pass
            shutil.rmtree(self.root, ignore_errors=True)


class Proxy:
    """A connection to the server's socket that can be cut: nothing goes through and nothing is refused, as when a cable is pulled."""

    def __init__(self, path, server):
        self.server, self.cut, self.pairs = server, threading.Event(), []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        os.chmod(path, 0o777)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            if self.cut.is_set():
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.server)
            except OSError:
                client.close()
                continue
            self.pairs.append((client, server))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while True:
                data = a.recv(65536)
                if not data:
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def pull(self):
        self.cut.set()
        for pair in self.pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []

    def mend(self):
        self.cut.clear()


class Host(host_of.Host):
    def __init__(self, world, name, strategies=TREND, url=None, store=None):
        directory = os.path.join(world.directory, name)
        os.mkdir(directory)
        self.world, self.name = world, name
        super().__init__({"small.lua": CONFIG % (url or world.url, f', store = "{store}"' if store else "", strategies), "still.lua": STILL, "turns.lua": turns("1.0.0")},
                         config="small.lua", directory=directory)

    def version(self, version):
        self.write("turns.lua", turns(version))

    def launch(self, *arguments, crash_at="", **more):
        return super().launch("--json", "--quiet", *arguments, environment={"HADRON_CRASH_AT": crash_at})

    def start(self, crash_at=""):
        self.launch(crash_at=crash_at)
        return self.answers()

    def command(self, *words):
        if words[0] in ("promote", "rollback", "disable", "enable", "deploy") and self.process and not self.died():
            until("the change before has ended here", lambda: not self.ask("status")["changes"])
        return super().command(*words)

    def begin(self, *words):
        return subprocess.Popen([HADRON, *words, "--json"], cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def add(self, version):
        """Puts a version into the registry and this host's own store."""
        self.write("new.lua", turns(version))
        self.ask("registry", "add", "new.lua", "--config", "small.lua")

    def end(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.process.wait(WAIT_S) if self.process else 0

    def stop(self):
        assert self.end(signal.SIGINT) == 0, self.text("err")

    def live(self, name="trend"):
        return [r["version"] for r in self.strategies(name) if r["role"] == "live"]

    def ticks(self):
        return self.ask("status")["ticks"]

    def history(self, name="trend"):
        return self.revisions(name)

    def states(self):
        return [r["state"] for r in self.history()]

    def hosts(self):
        """Name of the data directory's parent -> the registry's row."""
        rows = self.ask("registry", "hosts", "--config", "small.lua")["hosts"]
        return {os.path.basename(os.path.dirname(r["data_dir"])): r for r in rows}

    def runs(self, who, name="trend"):
        return next(r for r in self.hosts()[who]["runs"] if r["deployment"] == name)

    def id(self):
        return self.hosts()[self.name]["host"]


class World:
    def __init__(self, postgres=None):
        self.directory = tempfile.mkdtemp(prefix="hd", dir="/tmp")
        self.postgres, self.members = postgres, []
        self.url = f"sqlite:{self.directory}/registry.db"
        if postgres:
            name = "w" + os.path.basename(self.directory).lower().replace("_", "x")
            postgres.run(postgres.programs + "/createdb", "-h", postgres.root, "-U", "hadron", name)
            self.database = name
            self.url = f"postgresql://hadron@/{name}?host={postgres.root}"

    def host(self, name, *arguments, **options):
        self.members.append(Host(self, name, *arguments, **options))
        return self.members[-1]

    def pair(self, **options):
        """Two that run trend, each with all versions in its own store."""
        a, b = self.host("a"), self.host("b", **options)
        a.start()
        b.start()
        until("they know each other", lambda: a.ask("status")["registry"]["others"] == 1 and b.ask("status")["registry"]["others"] == 1)
        for version in ("1.1.0", "1.2.0"):
            a.add(version)
            b.add(version)
        return a, b

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for host in self.members:
            if host.process and host.process.poll() is None:
                host.process.kill()
                host.process.wait()
            if kind and host.process:
                print(f"---- {host.name}\n" + host.text("err")[-4000:])
        shutil.rmtree(self.directory, ignore_errors=True)


def check_all_or_none(world):
    with world() as w:
        a, b = w.pair()
        c = w.host("c", OTHER).start()  # of the same registry, without that strategy
        assert a.states() == ["active"] and a.history()[0]["command"] == "config"  # the second start joined
        done = a.ask("promote", "trend@1.1.0", "--why", "both")
        assert done["revision"] == 2 and {h["host"] for h in done["hosts"]} == {a.id(), b.id()} and all(h["state"] == "staged" for h in done["hosts"]), done
        assert len({h["artifacts"] for h in done["hosts"]}) == 1 and done["hosts"][0]["artifacts"].startswith("1.1.0="), done
        assert a.live() == ["1.1.0"]
        until("b runs it too", lambda: b.live() == ["1.1.0"])
        assert c.live() == [] and c.live("quiet") == ["1.0.0"]
        until("both say so", lambda: [(a.runs(n)["revision"], a.runs(n)["drift"]) for n in "ab"] == [(2, False)] * 2)
        back = b.ask("rollback", "trend")  # from the other side
        assert back["revision"] == 3 and b.live() == ["1.0.0"], back
        until("a went back", lambda: a.live() == ["1.0.0"])
        until("ticks go on", lambda t=a.ticks(), u=b.ticks(): a.ticks() > t and b.ticks() > u)
        # one has an artifact that somebody has written over
        stored = glob.glob(b.directory + "/data/artifacts/*/*.lua")
        digest = next(v["digest"] for v in a.ask("registry", "list", "turns", "--config", "small.lua")["versions"] if v["version"] == "1.2.0")
        victim = next(p for p in stored if digest in p)
        os.chmod(victim, 0o644)
        with open(victim, "a") as file:
            file.write("-- changed\n")
        words = a.refused("promote", "trend@1.2.0")
        assert b.id() in words and "expected SHA-256 " + digest in words and ", found " in words, words
        assert a.live() == ["1.0.0"] and b.live() == ["1.0.0"]
        row = a.history()[-1]
        assert row["state"] == "failed" and b.id() in row["error"] and digest in row["error"], row
        # and one whose store does not have it at all
        os.unlink(victim)
        words = a.refused("promote", "trend@1.2.0")
        assert b.id() in words, words
        b.add("1.2.0")
        assert a.ask("promote", "trend@1.2.0")["changed"]
        until("b follows", lambda: b.live() == ["1.2.0"])
        # disable and enable are changes like any other
        b.ask("disable", "trend")
        until("neither trades", lambda: a.live() == [] and b.live() == [])
        a.ask("enable", "trend")
        until("both trade", lambda: a.live() == ["1.2.0"] and b.live() == ["1.2.0"])
        # parts of a host are deployments too
        assert not a.ask("reload", "sim")["changed"]
        until("nobody drifts", lambda: a.ask("status")["registry"]["drift"] == 0)
        for host in (a, b, c):
            host.stop()
        assert all(r["state"] == "stopped" for r in a.hosts().values()), a.hosts()
        assert json.loads(a.text("out"))["identity"] and json.loads(b.text("out"))["identity"]


def check_without_a_host(world):
    """The command line alone on the registry: hosts that run are asked, and take it up."""
    with world() as w:
        a, b = w.pair()
        cli = w.host("cli")
        for version in ("1.0.0", "1.1.0"):
            cli.add(version)
        done = cli.ask("promote", "trend@1.1.0", "--config", "small.lua", "--why", "from the desk")
        assert not done["running"] and {h["host"] for h in done["hosts"]} == {a.id(), b.id()}, done
        until("both run it", lambda: a.live() == ["1.1.0"] and b.live() == ["1.1.0"])
        a.stop()
        done = cli.ask("promote", "trend@1.0.0", "--config", "small.lua")
        assert [h["host"] for h in done["hosts"]] == [b.id()], done
        until("the one that is there runs it", lambda: b.live() == ["1.0.0"])
        a.start()  # and the other takes what is active
        assert a.live() == ["1.0.0"]
        a.stop()
        b.stop()
        assert "next start" in cli.command("promote", "trend@1.1.0", "--config", "small.lua").stdout
        a.start()
        assert a.live() == ["1.1.0"]
        a.stop()


def check_silent_host(world):
    """A host that hangs: nobody knows what it does. What stops trading does not wait for it."""
    with world() as w:
        a, b = w.pair()
        b.process.send_signal(signal.SIGSTOP)
        until("b is stale", lambda: a.hosts()["b"]["state"] == "stale")
        words = a.refused("promote", "trend@1.1.0")
        assert a.hosts()["b"]["host"] in words and "sign of life" in words and "--forget" in words, words
        assert a.live() == ["1.0.0"] and a.states()[-1] == "failed"
        assert a.ask("disable", "trend", "--why", "careful")["changed"]
        assert a.live() == []
        b.process.send_signal(signal.SIGCONT)
        until("b follows when it is back", lambda: b.live() == [] and not a.runs("b")["drift"])
        b.ask("enable", "trend")
        until("both trade", lambda: a.live() == ["1.0.0"] and b.live() == ["1.0.0"])
        # it hangs before it has answered
        b.process.send_signal(signal.SIGSTOP)
        words = a.refused("promote", "trend@1.1.0")
        assert a.hosts()["b"]["host"] in words, words
        # it is forgotten, and comes back
        a.ask("registry", "hosts", "--forget", a.hosts()["b"]["host"], "--config", "small.lua")
        assert "b" not in a.hosts()
        assert "no host" in a.refused("registry", "hosts", "--forget", "nobody", "--config", "small.lua", code=1)
        done = a.ask("promote", "trend@1.1.0")
        assert "hosts" not in done, done
        b.process.send_signal(signal.SIGCONT)
        until("b follows", lambda: b.live() == ["1.1.0"] and not a.runs("b")["drift"])
        a.stop()
        b.stop()


def check_deaths(world):
    """Killed at each step of a change: those who live agree, whoever starts again runs what is active."""
    steps = (("b", "rollout.reported"), ("b", "rollout.decided"), ("a", "rollout.decided"), ("a", "change.pending"), ("a", "rollout.reported"),
             ("a", "change.staged"), ("b", "change.staged"), ("b", "change.recorded"), ("a", "change.recorded"), ("a", "change.active"))
    for who, point in steps if world is World else steps[:3]:  # what differs between databases is in the first
        with world() as w:
            a, b = w.host("a"), w.host("b")
            a.start(point if who == "a" else "")
            b.start(point if who == "b" else "")
            for host in (a, b):
                host.add("1.1.0")
            dead, alive = (a, b) if who == "a" else (b, a)
            until("they know each other", lambda: alive.ask("status")["registry"]["others"] == 1)
            asked = a.begin("promote", "trend@1.1.0")
            assert dead.process.wait(WAIT_S) == -signal.SIGKILL, (who, point, dead.process.returncode)
            out, err = asked.communicate(timeout=WAIT_S)
            until("it is settled", lambda: "pending" not in alive.states())
            state = alive.states()[-1]
            print(f"  {who} dies at {point}: {state}")
            until("who lives runs what is active", lambda: alive.live() == (["1.1.0"] if state == "active" else ["1.0.0"]))
            dead.start()
            assert dead.live() == alive.live(), (who, point, dead.live(), alive.live())
            until("nobody drifts", lambda: not alive.runs("a")["drift"] and not alive.runs("b")["drift"])
            next_one = "1.0.0" if state == "active" else "1.1.0"
            assert dead.ask("promote", "trend@" + next_one)["changed"]
            until("both run the next", lambda: dead.live() == alive.live() == [next_one])
            a.stop()
            b.stop()


def check_two_at_once(world):
    """Two changes of one deployment at the same moment from three hosts: one at a time, and all end on the same."""
    with world() as w:
        a, b = w.pair()
        c = w.host("c").start()
        for version in ("1.1.0", "1.2.0"):
            c.add(version)
        until("they know each other", lambda: all(h.ask("status")["registry"]["others"] == 2 for h in (a, b, c)))
        done = 0
        for _ in range(3):
            asked = [h.begin("promote", "trend@" + v) for h, v in ((a, "1.1.0"), (b, "1.2.0"), (c, "1.0.0"))]
            for p in asked:
                out, err = p.communicate(timeout=WAIT_S)
                assert p.returncode in (0, 6), (p.returncode, err)
                assert p.returncode == 0 or "under way" in err or "in between" in err, err
                done += p.returncode == 0 and json.loads(out)["changed"]
        assert done >= 1
        until("all run the same", lambda: a.live() == b.live() == c.live() and len(a.live()) == 1)
        until("nobody drifts", lambda: a.ask("status")["registry"]["drift"] == 0)
        assert a.states().count("active") == 1 and "pending" not in a.states(), a.states()
        for host in (a, b, c):
            host.stop()


def check_arrival(world):
    """A version that arrives does its work once, wherever it was heard of first."""
    with world() as w:
        strategies = TREND.replace('warm = "10m"', 'warm = "10m", arrival = "shadow"')
        store = os.path.join(w.directory, "store")  # one store for all
        a, b = w.host("a", strategies, store=store).start(), w.host("b", strategies, store=store).start()
        until("they know each other", lambda: a.ask("status")["registry"]["others"] == 1 and b.ask("status")["registry"]["others"] == 1)
        a.add("1.1.0")
        until("both have it beside", lambda: all(("1.1.0", "shadow") in [(r["version"], r["role"]) for r in h.ask("status")["strategies"]] for h in (a, b)))
        assert [r["state"] for r in a.history() if r["command"] == "arrive"].count("active") == 1
        a.stop()
        b.stop()


def check_strategy_without_a_section(world):
    """A deployment that names its hosts is opened on them all, or on none; a host that starts later, and one that was away, have it too."""
    with world() as w:
        a, b = w.pair()
        c = w.host("c", OTHER)
        for host in (a, b, c):
            host.write("own.lua", 'return { name = "own", plugin = "turns", hosts = { "*" }, cash = "1000", arms = { { version = "1.1.0" } } }\n')
            host.write("here.lua", 'return { name = "here", plugin = "turns", arms = { { version = "1.1.0" } } }\n')
        done = a.ask("deploy", "own.lua")
        assert {h["host"] for h in done["hosts"]} == {a.id(), b.id()}, done
        assert a.live("own") == ["1.1.0"]
        until("b has opened it", lambda: b.live("own") == ["1.1.0"])
        assert a.ask("deploy", "here.lua")["changed"]  # without `hosts`: where it was asked for
        assert a.live("here") == ["1.1.0"] and b.live("here") == [], b.strategies("here")
        c.launch()
        until("c refuses, it does not have the artifact", lambda: c.process.poll() is not None)
        assert "own" in c.text("err") and "hadron disable own" in c.text("err"), c.text("err")
        c.add("1.1.0")
        c.start()
        assert c.live("own") == ["1.1.0"] and c.live("here") == []
        until("they know each other", lambda: all(h.ask("status")["registry"]["others"] == 2 for h in (a, b, c)))
        c.add("1.2.0")
        assert len(b.ask("promote", "own@1.2.0")["hosts"]) == 3
        until("all run it", lambda: a.live("own") == b.live("own") == c.live("own") == ["1.2.0"])
        # one of them cannot open the next: none does
        b.write("still.lua", STILL)
        b.ask("registry", "add", "still.lua", "--config", "small.lua")
        c.ask("registry", "add", "still.lua", "--config", "small.lua")
        b.write("next.lua", 'return { name = "next", plugin = "still", hosts = { "*" }, arms = { { version = "1.0.0" } } }\n')
        words = b.refused("deploy", "next.lua")
        assert a.id() in words, words
        assert a.live("next") == b.live("next") == c.live("next") == []
        a.ask("registry", "add", "still.lua", "--config", "small.lua")
        b.ask("deploy", "next.lua")
        until("all run it", lambda: a.live("next") == b.live("next") == c.live("next") == ["1.0.0"])
        until("nobody drifts", lambda: a.ask("status")["registry"]["drift"] == 0)
        for host in (a, b, c):
            host.stop()


def check_registry_away():
    """The database goes away and comes back: what runs goes on, an alert says so, what was changed meanwhile is caught up with."""
    if not POSTGRES:
        return
    with World(POSTGRES) as w:
        path = os.path.join(w.directory, ".s.PGSQL.5432")
        proxy = Proxy(path, os.path.join(POSTGRES.root, ".s.PGSQL.5432"))
        a, b = w.pair(url=f"postgresql://hadron@/{w.database}?host={w.directory}")
        proxy.pull()
        until("b has noticed", lambda: b.ask("status")["registry"]["away"])
        until("it goes on", lambda t=b.ticks(): b.ticks() > t)
        assert "registry does not answer" in b.ask("status")["alert"]
        until("b is stale", lambda: a.hosts()["b"]["state"] == "stale")
        assert "sign of life" in a.refused("promote", "trend@1.1.0")
        a.ask("disable", "trend")
        assert a.live() == [] and b.live() == ["1.0.0"]
        assert a.command("status").stdout.count("stale") == 1
        proxy.mend()
        until("b has caught up", lambda: b.live() == [] and not b.ask("status")["registry"]["away"])
        a.ask("enable", "trend")
        until("both trade", lambda: a.live() == ["1.0.0"] and b.live() == ["1.0.0"])
        # the server itself
        POSTGRES.off()
        until("both have noticed", lambda: a.ask("status")["registry"]["away"] and b.ask("status")["registry"]["away"])
        until("both go on", lambda t=a.ticks(), u=b.ticks(): a.ticks() > t and b.ticks() > u)
        POSTGRES.on()
        until("both are back", lambda: not a.ask("status")["registry"]["away"] and not b.ask("status")["registry"]["away"])
        until("it works again", lambda: a.command("promote", "trend@1.1.0").returncode == 0)
        until("both run it", lambda: a.live() == ["1.1.0"] and b.live() == ["1.1.0"])
        a.stop()
        b.stop()


POSTGRES = None


def postgres_world():
    return World(POSTGRES)


def main():
    global POSTGRES
    wanted = [w for w in sys.argv[1:] if w not in ("sqlite", "postgres")]
    databases = [w for w in sys.argv[1:] if w in ("sqlite", "postgres")] or ["sqlite", "postgres"]
    postgres = Postgres()
    if "postgres" in databases and postgres.programs:
        POSTGRES = postgres.start()
    elif "postgres" in databases:
        print("PostgreSQL is not installed: SQLite alone")
    try:
        wait, alone = [], []
        for name, case in list(globals().items()):
            if not name.startswith("check_") or (wanted and name not in wanted):
                continue
            if case.__code__.co_argcount == 0:  # it stops the server that the others are on
                alone.append(case)
                continue
            for database in databases:
                if database == "postgres" and not POSTGRES or (case is check_silent_host and database == "sqlite" and POSTGRES and len(databases) > 1):
                    continue
                wait.append((case, World if database == "sqlite" else postgres_world))
        together(*wait, at_once=4)
        for case in alone:
            case()
    finally:
        postgres.remove()
    return 0


sys.exit(main())
