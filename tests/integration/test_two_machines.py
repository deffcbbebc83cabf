"""Promise: a strategy on another machine trades over TLS with certificates on both sides, and a network that fails does no harm. Two machines,
A with the host and its market, B with the strategy, in network namespaces of their own, joined by a cable. Shown in turn:
  - it joins, hears every tick, decides, and the host trades;
  - B's words no longer reach A (one way only): A marks the strategy silent and does what `on_silent` says; B hears nothing more, as nobody asks
    A for it, and marks its data stale; a decision on old ticks is refused once the cable is whole again, one on new ticks is taken;
  - A's words no longer reach B: the same;
  - the cable is cut and the connection reset: the session goes on where it was, without a tick lost or doubled;
  - the strategy's certificate is revoked: it is shown out, and not let in again;
  - the journal is whole, and comes out the same when it is run again.
How: the built program and tests/support/remote_peer.py, which knows of Hadron only what docs/wire.md says; nftables drops, `nft` and `ip` need
the rights of root, without which the test is skipped. Namespaces end with their processes: nothing is left behind."""

import ctypes
import json
import os
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import HADRON, WAIT_S, Host, until

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "remote_peer.py")
A, B, PORT = "10.99.7.1", "10.99.7.2", 7007
CONFIG = """return {
  mode = "paper", data_dir = "data", account = { cash = 1000000 },
  bus = {
    stale_after = "300ms", session_keep = "30s",
    sessions = { { url = "tls+tcp://%s:%d", class = "trade", certificate = "ca/host-a.crt", key = "ca/host-a.key", ca = "ca/ca.crt", crl = "ca/ca.crl" } },
  },
  venues = { sim = { params = { flow = "random", symbols = { "ALDR", "BEXA" }, rate = 100 } } },
  strategies = { alpha = { external = true, on_silent = "flatten" } },
}
""" % (A, PORT)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def namespace():
    """This process, and all that it starts, is alone on its network from here on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        skip(f"no network namespace: {os.strerror(ctypes.get_errno())}; run it as root")


class Machine:
    """B: a process that does nothing but hold its namespace."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", str(10 * WAIT_S)])
        self.into = ["nsenter", "-t", str(self.holder.pid), "-n"]
        mine = os.readlink("/proc/self/ns/net")
        until("B has a network of its own", lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != mine)

    def run(self, *words, **more):
        return run(*self.into, *words, **more)

    def end(self):
        self.holder.kill()
        self.holder.wait()


def cable(b):
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "hd-a", "type", "veth", "peer", "name", "hd-b", "netns", str(b.holder.pid))
    run("ip", "addr", "add", f"{A}/24", "dev", "hd-a")
    run("ip", "link", "set", "hd-a", "up")
    b.run("ip", "addr", "add", f"{B}/24", "dev", "hd-b")
    b.run("ip", "link", "set", "hd-b", "up")
    b.run("ip", "link", "set", "lo", "up")


RULES = """table ip hd {{
  chain {hook} {{
    type filter hook {hook} priority 0;
    tcp {port} {number} {verdict}
  }}
}}
"""


class Peer:
    def __init__(self, b, directory):
        self.process = subprocess.Popen([*b.into, sys.executable, "-B", PEER, A, str(PORT), os.path.join(directory, "b"), "alpha", A], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events, self.at = [], 0

    def next(self, wait_s=WAIT_S):
        """The next thing that happened."""
        if self.at == len(self.events):
            assert select.select([self.process.stdout], [], [], wait_s)[0], ("nothing came", self.events[-5:])
            line = self.process.stdout.readline()
            assert line, ("the peer has ended", self.process.wait(WAIT_S), self.events[-5:])
            self.events.append(json.loads(line))
        self.at += 1
        return self.events[self.at - 1]

    def wait(self, event):
        while True:
            found = self.next()
            assert found["event"] not in ("gap", "order"), found
            if found["event"] == event:
                return found

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def decide(self, word):
        self.say(word)
        return self.wait("decided")


def placed(host):
    """What the journal says became of it, in order, without the decisions that were taken."""
    done = host.command("journal", "dump", "--kind", "placed", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [row["change"] for row in rows if row["change"] != "TAKEN"]


def position(host):
    return [row for row in host.ask("positions")["positions"] if float(row["quantity"]) != 0]


def one_way(host, peer, partition, heal):
    """What must follow when words are dropped one way, and no longer."""
    until("it trades, and holds something", lambda: peer.decide("decide")["codes"] == [] and position(host))
    before = len(placed(host))
    partition()
    start = time.monotonic()
    peer.wait("stale")
    until("A knows that it is silent", lambda: "SILENT" in placed(host)[before:])
    noticed = time.monotonic() - start
    until("what it held is sold", lambda: not position(host))
    ticks = host.ask("status")["ticks"]
    until("the market goes on without it", lambda: host.ask("status")["ticks"] > ticks)
    heal()
    peer.wait("live")
    until("A hears it again", lambda: "BACK" in placed(host)[before:] or placed(host)[-1] == "JOINED")
    old = peer.decide("old")
    assert [code for _, code in old["codes"]] == [-9], old  # STATE: newer ticks have been there for too long
    until("what it decides on new ticks is taken", lambda: peer.decide("decide")["codes"] == [])
    return noticed


def drop(machine_run, hook, side):
    def partition():
        machine_run("nft", "-f", "-", input=RULES.format(hook=hook, port=side, number=PORT, verdict="drop"))

    def heal():
        machine_run("nft", "flush", "ruleset")

    return partition, heal


def story(host, b):
    run(HADRON, "cert", "ca", "ca", cwd=host.directory)
    run(HADRON, "cert", "issue", "ca", "host-a", "--role", "read", "--host", A, cwd=host.directory)
    run(HADRON, "cert", "issue", "ca", "alpha", cwd=host.directory)
    os.mkdir(host.path("b"))
    for name in ("ca.crt", "alpha.crt", "alpha.key"):
        shutil.copy2(host.path("ca", name), host.path("b", name))
    host.start()
    peer = Peer(b, host.directory)
    try:
        peer.wait("joined")
        # B's words are dropped on their way out: A hears nothing.
        seconds = one_way(host, peer, *drop(b.run, "output", "dport"))
        print(f"B -> A dropped: noticed on both sides after {seconds:.2f} s")
        # A's words are dropped: B hears nothing, and A hears only what B repeats.
        seconds = one_way(host, peer, *drop(run, "output", "sport"))
        print(f"A -> B dropped: noticed on both sides after {seconds:.2f} s")
        # A reset: another connection, the same session, no gap (wait() fails at one).
        joined = [event for event in peer.events if event["event"] == "joined"][-1]
        b.run("nft", "-f", "-", input=RULES.format(hook="output", port="dport", number=PORT, verdict="reject with tcp reset"))
        peer.wait("away")
        b.run("nft", "flush", "ruleset")
        again = peer.wait("joined")
        assert again["resumed"] and again["session"] == joined["session"], (joined, again)
        until("it goes on", lambda: peer.decide("decide")["codes"] == [])
        # Revoked: shown out, and not let in again.
        run(HADRON, "cert", "revoke", "ca", "alpha", cwd=host.directory)
        peer.wait("away")
        words = peer.wait("away")["words"]
        until("it is told why", lambda: "revoked" in words or "revoked" in peer.wait("away")["words"])
        until("A has seen it leave", lambda: placed(host)[-1] == "LEFT")
    finally:
        peer.process.kill()
        peer.process.wait()
    host.stop()
    assert "is whole" in host.command("journal", "verify").stdout
    done = host.command("replay", "data/journal", "--verify")
    assert done.returncode == 0, (done.stdout, done.stderr)
    print(" ".join(placed(host)))


def main():
    for program in ("ip", "nft", "unshare", "nsenter", "openssl"):
        if not shutil.which(program):
            skip(f"there is no {program}")
    namespace()
    try:
        run("nft", "list", "ruleset")
    except AssertionError as error:
        skip(f"nftables cannot be used: {error}")
    b = Machine()
    try:
        cable(b)
        with Host({"host.lua": CONFIG}) as host:
            story(host, b)
    finally:
        b.end()


if __name__ == "__main__":
    main()
