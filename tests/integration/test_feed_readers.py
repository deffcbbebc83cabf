"""Promise: readers of a feed do a host no harm. A slow one, one that is frozen (SIGSTOP), one that is killed, peers of TCP that say nothing more and read nothing
more, one that claims 16 GB: the host's strategies hear every tick and trade on, its memory stays bounded, whoever is gone is no longer counted, a strategy elsewhere that has
frozen is silent and then given up. Once they go on, the slow and the frozen one know that there was a gap, and have in the end every tick once, in order, byte for byte.
How: the built program, readers with libhadron in processes of their own, peers written from docs/wire.md. Nothing waits for time, but for ticks that were published."""

import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import sanitized, wire  # noqa: E402
from support.host import Host, turns, until  # noqa: E402

SANITIZED = bool(os.environ.get("HADRON_SANITIZE"))

sanitized.preload()
STREAMS = 4
FROZEN_TICKS = 120000  # 7 MB: more than NNG keeps for a reader (1,024 packets) and the kernel's buffers hold
CONFIG = """return {
  mode = "paper", account = { cash = "10000000" },
  engine = { threads = true, shards = %d },
  venues = { sim = { params = { flow = "random", instruments = 12, rate = 8000, seed = 7 } } },
  bus = {
    session_keep = "2s",
    sessions = { { url = "ipc://%s/s", class = "admin", tokens = "%s/tokens" }, { url = "tcp://127.0.0.1:%d", class = "trade", tokens = "%s/tokens" } },
    feeds = { { url = "ipc://%s/t", publish = "ticks" }, { url = "tcp://127.0.0.1:%d", publish = "ticks" } },
  },
  strategies = { turns = { plugin = "./turns.lua" }, far = { external = true, on_silent = "cancel" } },
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Reader:
    def __init__(self, feed, session, token, *more):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests/support/feed_reader.py"), feed, session, token, str(STREAMS), *more],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        text = self.process.stdout.readline()
        assert text, "the reader has ended"
        return json.loads(text)

    def begin(self):
        self.first = self.line()["first"]

    def end(self, first, to):
        self.process.stdin.write(json.dumps({"from": first, "to": to}) + "\n")
        self.process.stdin.flush()
        account = self.line()
        assert self.process.wait(60) == 0
        return account

    def kill(self):
        self.process.kill()
        self.process.wait()


class Watched:
    """The host's figures."""

    def __init__(self, host, token):
        self.host, self.token = host, token

    def feed(self, name):
        session = wire.Peer("ipc://" + self.host.path("s"))
        session.hello(name="watch", **{"class": "admin"}, token=self.token)
        rows = session.admin(command="metrics")["result"]["metrics"]
        session.bye()
        return next(m["value"] for m in rows if (m["owner"], m["name"]) == ("feed", name))

    def memory(self):
        """KiB that are its own: not the journal's mapped pages."""
        with open(f"/proc/{self.host.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))

    def traded(self):
        status = self.host.ask("status")
        assert status["lanes"]["lost"] == 0, status["lanes"]
        return status["ticks"], status["decisions"], status["orders"]

    def published(self, count):
        goal = self.host.ask("status")["ticks"] + count
        until("ticks are published", lambda: self.host.ask("status")["ticks"] >= goal)


def still_peer(url):
    """A peer of a session over TCP that has asked for the stream and reads nothing of it; and a subscriber that has never read at all."""
    peer = wire.Peer(url[0])
    peer.hello(name="far", version="1.0.0", token=url[2])
    for sequence in range(2):
        peer.link.send(b"\x80\0\1" + bytes([sequence]) + wire.frame(wire.NEXT, peer.session, 0, peer.epoch, peer.upcoming))
    return peer, wire.Link(url[1], 0x21)


def greedy_peer(path):
    """A subscriber that begins a message of 16 GB: it has nothing to say, and is hung up on."""
    link = wire.Link(path, 0x21)
    link.socket.sendall(b"\1" + wire.struct.pack(">Q", 16 << 30) + bytes(4096))
    for _ in range(100000):  # what is published meanwhile
        try:
            if not link.socket.recv(65536):
                return
        except ConnectionError:
            return
    raise AssertionError("it is still listened to")


def placed(host):
    return host.strategies("far")[0]["placed"]["state"]


with Host({"turns.lua": turns("1.0.0")}) as host:
    session_port, feed_port = free_port(), free_port()
    host.write("host.lua", CONFIG % (STREAMS, host.directory, host.directory, session_port, host.directory, host.directory, feed_port))
    look = host.command("token", "tokens", "--class", "read", "--strategy", "office").stdout.strip()
    watch = host.command("token", "tokens", "--class", "admin", "--strategy", "watch").stdout.strip()
    far = host.command("token", "tokens", "--strategy", "far").stdout.strip()
    host.start("--quiet")
    ipc, tcp = ("ipc://" + host.path("t"), "ipc://" + host.path("s")), (f"tcp://127.0.0.1:{feed_port}", f"tcp://127.0.0.1:{session_port}")
    readers = {"good": Reader(*ipc, look), "slow": Reader(*tcp, look, "5"), "frozen": Reader(*ipc, look), "frozen_tcp": Reader(*tcp, look), "dead": Reader(*tcp, look)}
    try:
        for reader in readers.values():
            reader.begin()
        host_is = Watched(host, watch)
        until("five subscribers", lambda: host_is.feed("subscribers") == 5)
        greedy_peer(ipc[0])
        still, deaf = still_peer((tcp[1], tcp[0], far))
        until("the other peer is there", lambda: host_is.feed("subscribers") == 6)

        for name in ("frozen", "frozen_tcp"):
            readers[name].process.send_signal(signal.SIGSTOP)
        readers["dead"].kill()
        ticks, decisions, orders = host_is.traded()
        until("the dead one is no longer counted", lambda: host_is.feed("subscribers") == 5)
        until("the still one is silent", lambda: placed(host) == "silent")
        host_is.published(FROZEN_TICKS // 2)
        half_way = host_is.memory()
        host_is.published(FROZEN_TICKS // 2)
        grown = host_is.memory() - half_way
        more = [b - a for a, b in zip((ticks, decisions, orders), host_is.traded())]
        until("the still one is given up", lambda: placed(host) == "left")
        print(f"while they stood still: {more[0]} ticks, {more[1]} decisions, {more[2]} orders; memory grew by {grown} KiB in the second half")
        assert more[0] >= FROZEN_TICKS and more[1] > 100 and more[2] > 10, more
        assert grown < 16384 or SANITIZED, grown  # a sanitizer keeps what was freed

        for name in ("frozen", "frozen_tcp"):
            readers[name].process.send_signal(signal.SIGCONT)
        first = [max(r.first[s] for r in readers.values()) for s in range(STREAMS)]
        session = wire.Peer("ipc://" + host.path("s"))
        session.hello(name="office", **{"class": "read"}, token=look)
        to = [next(f[5] for f in session.ask(wire.SNAPSHOT, payload=wire.struct.pack("<8sIIQQQ", wire.TICKS, s + 1, 0, session.epoch, 0, 0)) if f[2] == wire.HEARTBEAT)
              for s in range(STREAMS)]
        accounts = {name: readers[name].end(first, to) for name in ("good", "slow", "frozen", "frozen_tcp")}
        for name, account in accounts.items():
            print(name, {k: v for k, v in account.items() if k != "crc"})
            assert account["declared"] == account["lost"] == 0 and account["damaged"] == 0, account  # the journal has it all
            assert account["crc"] == accounts["good"]["crc"], name
        for name in ("frozen", "frozen_tcp"):
            assert accounts[name]["gaps"] > 0 and accounts[name]["repaired"] > 1000 and accounts[name]["stale"] > 0, accounts[name]
        still.link.socket.close()
        deaf.socket.close()
        until("all are gone", lambda: host_is.feed("subscribers") == 0)
        host_is.traded()
        host.stop()
    finally:
        for reader in readers.values():
            reader.kill()
