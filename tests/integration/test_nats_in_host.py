"""Promise: the ticks of one host are the market of another, through a JetStream: each tick of the publishing host reaches the other one
once and in order while the NATS server is killed in between, instruments come with their grids, and a host that was killed goes on where it
was, also one that was killed between its new consumer and the end of the old one: no tick is lost, the order holds, and only those of its last moment come again; after an ordinary stop none does. What the stream lost
before it was read is told as a gap. An instrument that appears in the stream while this host runs is taken in: it is defined before its first tick, a
strategy that is seated then trades it, and the journal, run again, comes out the same.

How: two real hosts and a real nats-server; the ticks of both journals are compared value by value."""

import os
import select
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support.host import Host, together, turns, until  # noqa: E402
from support.journal_bytes import INSTRUMENT, messages, read  # noqa: E402
from support.nats import PROGRAM, Server  # noqa: E402

OUT = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false },
  venues = { sim = { plugin = "sim", params = { flow = "random", symbols = { "AAPL", "BRK.B" }, rate = 600, seed = 7 } } },
  strategies = { cross = { plugin = "zero_cross" } },
  services = { bridge = { plugin = "nats_out", params = { servers = "%s", create = true, patience = "60s" } } },
}
"""
IN = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false },
  venues = {
    feed = { plugin = "nats_in", params = { servers = "%s", symbols = { %s }, start = "%s" } },
    sim = { plugin = "sim", params = { flow = "none" } },
  },
  strategies = { cross = { plugin = "zero_cross", universe = { "AAPL", "BRK.B" } } },
}
"""


def ticks(host):
    """(event time, kind, values) of all ticks that the journal has, by instrument's name, and the numbers they came with."""
    names, rows = {}, []
    for template, fields in read(host.path("data", "journal")):
        if template == INSTRUMENT:
            names[fields["instrument"]] = fields["name"]
    for *_, payload in messages(host.path("data", "journal")):
        if payload[2:4] == b"\1\0":
            tick = payload[8:72]
            rows.append((names[int.from_bytes(tick[24:28], "little")], tick[0:8], tick[30:31], tick[32:64]))
    return rows


def grids(host):
    rows = (fields for template, fields in read(host.path("data", "journal")) if template == INSTRUMENT and fields["venue"] == 1)
    return {row["name"]: (row["increment"], row["lot"], row["multiplier"], row["asset"], row["currency"]) for row in rows}


def count(host):
    return host.ask("status")["ticks"]


def more(host, number=300):
    before = count(host)
    until("ticks come", lambda: count(host) > before + number)


def state(host):
    return next(v["state"] for v in host.ask("status")["venues"] if v["name"] == "feed")


def follows(server):
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, '"AAPL", "BRK.B"', "all")}) as near:
        near.start("--quiet") # nothing to connect to yet
        until("the venue says so", lambda: state(near) == "down")
        server.start()
        far.start("--quiet")
        until("the stream is found", lambda: state(near) == "ready")
        more(near)
        for _ in range(3):
            server.kill()
            until("the venue says so", lambda: state(near) in ("down", "connecting"))
            more(far)
            server.start()
            more(near)
        far.stop()
        until("all have come", lambda: count(near) >= len(ticks(far)))
        near.stop()
        sent, got = ticks(far), ticks(near)
        assert sent == got, (len(sent), len(got), next((i for i, pair in enumerate(zip(sent, got)) if pair[0] != pair[1]), None))
        print(len(got), "ticks, each once")


def killed(server):
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, "", "all")}) as near:
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        for _ in range(4):
            near.start("--quiet")
            more(near)
            near.kill()
            more(far)
        far.stop()
        near.start("--quiet")
        sent = ticks(far)
        until("all have come", lambda: ticks(near)[-1:] == sent[-1:])
        near.stop()
        got = ticks(near)
        at = 0
        for tick in got: # what comes again is a piece of what came before
            if at < len(sent) and tick == sent[at]:
                at += 1
        assert at == len(sent), (at, len(sent), len(got))
        assert grids(near) == grids(far), (grids(near), grids(far))
        print(len(sent), "ticks,", len(got) - len(sent), "came again after", 4, "kills")


def stopped(server):
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, "", "all")}) as near:
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        for _ in range(3):
            near.start("--quiet")
            more(near)
            near.stop()
            more(far)
        far.stop()
        near.start("--quiet")
        sent = ticks(far)
        until("all have come", lambda: ticks(near)[-1:] == sent[-1:])
        near.stop()
        assert ticks(near) == sent, (len(ticks(near)), len(sent))


def lost(server):
    """While this host stood still the stream was emptied: the numbers of the ticks tell it, and the next tick of each instrument says so."""
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, "", "new")}) as near:
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        near.start("--quiet")
        more(near)
        near.process.send_signal(signal.SIGSTOP)
        more(far, 2500) # more than one request brings
        with server.client() as client:
            client.api("STREAM.PURGE.HADRON", {"keep": 1})
        near.process.send_signal(signal.SIGCONT)
        until("the gap is told", lambda: "NATS_GAP" in near.text("err"))
        more(near, 100)
        far.stop()
        near.stop()
        flagged = {payload[32:36] for *_, payload in messages(near.path("data", "journal")) if payload[2:4] == b"\1\0" and payload[39] & 4}
        assert len(flagged) == 2, flagged


def anew(server):
    """The stream was deleted and made again: its numbers begin anew, and are none of those that this host has had."""
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, "", "all")}) as near:
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        near.start("--quiet")
        more(near)
        with server.client() as client:
            client.api("STREAM.DELETE.HADRON", {})
        until("that is told", lambda: "the stream was made anew" in near.text("err"))
        more(near)
        near.stop()
        far.stop()


def appears(server):
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (server.url, "", "all"), "late.lua": turns("1.0.0")}) as near:
        near.write("host.lua", near.text("host.lua").replace("registry = { enabled = false },", "").replace('"AAPL", "BRK.B"', '"AAPL"'))
        far.write("host.lua", far.text("host.lua").replace('"BRK.B"', '"AAPL"').replace('"AAPL", "AAPL"', '"AAPL"'))
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        near.start("--quiet", "--set", "engine.threads=true", "--set", "engine.shards=2")
        more(near)
        far.stop()
        far.write("host.lua", far.text("host.lua").replace('"AAPL"', '"AAPL", "CORV"'))
        far.start("--quiet")
        until("it is known here", lambda: near.ask("status")["instruments_known"] == 2)
        until("that it began anew is told", lambda: "NATS_GAP" in near.text("err") and "a new session of the publishing host" in near.text("err"))
        assert near.command("registry", "add", "late.lua", "--data-dir", "data").returncode == 0
        near.ask("enable", "turns")
        until("it is traded here", lambda: [p for p in near.ask("positions")["positions"] if p["instrument"] == "CORV"])
        near.stop()
        assert [name for name in grids(near)] == ["AAPL", "CORV"] and grids(near)["CORV"] == grids(far)["CORV"], (grids(near), grids(far))
        verified = near.command("replay", "data/journal", "--verify")
        assert verified.returncode == 0, verified.stdout[-2000:] + verified.stderr[-2000:]
        near.start("--quiet")  # and from then on it is one like any other
        more(near)
        near.stop()
        far.stop()


class Gate(threading.Thread):
    """Before the server: lets everything through until a client says `word`; then `then` is called, and the connection ends without it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.word, self.then = server, None, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.pass_on, args=(client, socket.create_connection(("127.0.0.1", self.server.port))), daemon=True).start()

    def pass_on(self, client, server):
        with client, server:
            while True:
                for from_ in select.select([client, server], [], [])[0]:
                    try:
                        data = from_.recv(65536)
                        if from_ is client and self.word and self.word in data:
                            self.word = None
                            self.then()
                            return
                        if not data:
                            return
                        (server if from_ is client else client).sendall(data)
                    except OSError:
                        return


def between(server):
    """A connection makes itself a consumer where the one before it stood, then deletes that. Killed before either, the host goes on where it was."""
    gate = Gate(server)
    with Host({"host.lua": OUT % server.url}) as far, Host({"host.lua": IN % (gate.url, "", "new")}) as near:
        far.start("--quiet")
        until("the stream is there", lambda: far.ask("status")["bridge"]["connected"])
        near.start("--quiet")
        more(near)
        near.stop()
        for word in (b".CONSUMER.DURABLE.CREATE.", b".CONSUMER.DELETE."):
            gate.word, gate.then = word, near.kill
            near.launch("--quiet")
            until("it was killed there", lambda: gate.word is None and near.died())
            more(far)
            near.start("--quiet")
            more(near)
            near.stop()
        far.stop()
        near.start("--quiet")
        sent = ticks(far)
        until("all have come", lambda: ticks(near)[-1:] == sent[-1:])
        near.stop()
        got = ticks(near)
        assert got == sent[-len(got):], (len(got), len(sent), sent.index(got[0]))


def play(scene):
    with Server() as server:
        if scene is not follows:
            server.start()
        scene(server)


def main():
    if not os.path.exists(PROGRAM):
        print("skipped: nats-server is not installed (package nats-server)")
        return 77
    together(*[(play, scene) for scene in (follows, killed, between, stopped, lost, anew, appears)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
