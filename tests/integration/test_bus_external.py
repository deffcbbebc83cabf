"""Promise: a strategy that is no plugin of this host joins over the bus by its token, gets the state of things and then every tick, trades on paper with
a book of its own beside the others, is shown in status as what it is, is silent when it is silent (its orders and position as on_silent says),
comes back and goes on; without its token, under another's name, with a version that is not deployed, with parameters or bars that the host does not
have for it it is refused. Feeds tell the same ticks and can be repaired; its journal, run again, comes out the same; two versions of one name run
side by side. The peer is written from docs/wire.md alone (support/wire.py).

Runs with one thread, and with shard and trade threads and packed messages."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import wire  # noqa: E402
from support.host import Host, until  # noqa: E402

CONFIG = """return {
  mode = "paper",
  account = { cash = "100000" },
  engine = { threads = %s, shards = %d },
  venues = { sim = { params = { flow = "random", instruments = 4, rate = 400, seed = 7 } } },
  bus = {
    stale_after = "%s",
    sessions = { { url = "ipc://%s/s", class = "admin", tokens = "%s/tokens" } },
    feeds = { { url = "ipc://%s/t", publish = "ticks" } },
  },
  strategies = {
    far = { plugin = here("far.lua"), on_silent = "flatten", params = { speed = 3 } },
  },
}
"""


CARD = """-- hadron: strategy far %s
-- requires: hadron.strategy/1 hadron.external/1
return hadron.strategy {
  params = { speed = { type = "integer", default = 2 }, mood = { type = "text", default = "calm" } },
  bars = { { kind = "time", interval = "1s" } },
}
"""


class Far:
    """A peer that looks after its position."""

    def __init__(self, host, token, version="1.0.0", **more):
        self.peer = wire.Peer("ipc://" + host.path("s"))
        self.welcome = self.peer.hello(name="far", version=version, token=token, **more)
        self.ticks = self.last = 0
        self.names, self.positions = {}, {}

    def look(self):
        for _, template, block, _ in self.peer.next():
            if template == wire.INSTRUMENT:
                self.names[struct.unpack_from("<I", block)[0]] = block[40:72].rstrip(b"\0").decode()
            elif template == wire.TICK:
                sequence, = struct.unpack_from("<Q", block, 16)
                self.ticks, self.last = self.ticks + 1, sequence
            elif template == wire.POSITION:
                _, quantity, _, _, _, _, instrument = struct.unpack("<QqqqqII", block)
                self.positions[instrument] = quantity
        return True

    def wants(self, instrument, quantity):
        """Decides again and again, as strategies do, until it holds that: risk may say no for a moment."""
        def once():
            refusals = self.peer.decide([wire.decision(instrument, quantity=quantity)])
            self.look()
            return not refusals and self.positions.get(instrument) == quantity
        until("the position", once)


def row(host, name):
    found = host.strategies(name)
    return found[0] if found else None


def refused(function, code):
    try:
        function()
    except wire.Refused as refusal:
        assert refusal.args[0]["code"] == "HADRON_ERR_" + code, refusal
        return refusal.args[0]["text"]
    raise AssertionError("it was let in")


def life(threads, shards):
    with Host({}) as host:
        host.write("far.lua", CARD % "1.0.0")
        host.write("host.lua", CONFIG % ("true" if threads else "false", shards, "2s", *[host.directory] * 3))
        token = host.command("token", "tokens", "--strategy", "far").stdout.strip()
        office = host.command("token", "tokens", "--class", "admin").stdout.strip()
        other = host.command("token", "tokens", "--strategy", "near").stdout.strip()
        host.start("--quiet")
        assert row(host, "far") is not None
        host.write("next.lua", CARD % "1.1.0")
        host.command("registry", "add", "next.lua", "--data-dir", "data")
        changed = host.command("ab", "far", "1.0.0=1", "--shadow", "1.1.0", "--data-dir", "data")
        assert changed.returncode == 0, changed.stdout + changed.stderr
        refused(lambda: Far(host, ""), "PERMISSION")
        refused(lambda: Far(host, other), "PERMISSION")
        for words, wrong in (("9.9.9", {"version": "9.9.9"}), ("protocol", {"protocol": 2}), ("length", {"params": {"length": "3"}}), ("speed", {"params": {"mood": "calm"}}),
                             ("ill", {"params": {"speed": "3", "mood": "calm", "ill": "1"}}), ("params", {"params": {"speed": []}}), ("5m", {"bars": ["5m"]}),
                             ("bars", {"bars": [1]}), ("packed", {"packed": "yes"}), ("NONE*", {"universe": ["NONE*"]})):
            code = {"9.9.9": "STATE", "protocol": "UNSUPPORTED"}.get(words, "ARGUMENT")
            text = refused(lambda: Far(host, token, **wrong), code)
            assert words in text and "expected" in text or words == "protocol", text
        wish = {"packed": True} if threads else {}
        far = Far(host, token, params={"speed": "7", "mood": "wild"}, bars=["1000ms"], **wish)  # the host's values hold
        assert far.welcome["params"] == {"speed": "3", "mood": "calm"} and far.welcome["bars"] == ["1s"] and far.welcome["role"] == "live" and far.welcome["mode"] == "paper", far.welcome
        until("ticks", lambda: far.look() and far.ticks > 50)
        assert far.welcome["packed"] is threads and far.peer.kinds[wire.TICK] == {wire.PACKED if threads else wire.DATA}, far.peer.kinds
        assert sorted(far.names.values()) == ["SIM00", "SIM01", "SIM02", "SIM03"], far.names
        instrument = min(far.names)
        far.wants(instrument, 5 * 10**8)
        assert [p for p in host.ask("positions")["positions"] if p["instrument"] == far.names[instrument]], host.ask("positions")
        refused(lambda: Far(host, token), "EXISTS")  # it is here
        assert far.peer.decide([wire.decision(9999, quantity=1)])  # no instrument of its own
        # Another version of it, beside it: a shadow with a book of its own.
        shadow = Far(host, token, version="1.1.0")
        assert shadow.welcome["role"] == "shadow" and shadow.welcome["arm"] != far.welcome["arm"]
        # It is gone for a moment and goes on where it was.
        resume = {"session": far.welcome["session"], "epoch": far.welcome["epoch"], "next": str(far.peer.upcoming)}
        far.peer.link.socket.close()
        back = Far(host, token, resume=resume, **wish)
        assert back.welcome["session"] == far.welcome["session"] and int(back.welcome["next"]) == far.peer.upcoming
        back.last = far.last
        back.look()
        # It falls silent: its position is closed. Then it is back.
        until("it is flat", lambda: not [p for p in host.ask("positions")["positions"] if p["quantity"] not in ("0", 0)])
        until("it is heard again", lambda: back.look() and not back.peer.decide([wire.decision(instrument, quantity=0)]))
        back.wants(instrument, -2 * 10**8)
        # It may trade, and no more: neither command nor see what others do.
        for kind, payload in ((wire.ADMIN, b'{"command":"kill"}'), (wire.REPAIR, struct.pack("<8sIIQQQ", wire.EVENTS, 1, 0, back.peer.epoch, 1, 2)),
                              (wire.SNAPSHOT, struct.pack("<8sIIQQQ", wire.EVENTS, 1, 0, back.peer.epoch, 0, 0))):
            refused(lambda kind=kind, payload=payload: back.peer.ask(kind, sequence=1, payload=payload), "PERMISSION")
        looks_and_repairs(host, office)
        commands(host, office, token)
        back.peer.bye()
        told = until("it has left", lambda: (lambda text: "change=LEFT" in text and text)(host.command("journal", "dump", "data/journal", "--kind", "placed").stdout))
        for word in ("JOINED", "SILENT", "BACK", "TAKEN"):
            assert "change=" + word in told, (word, told[:2000])
        host.stop()
        verified = host.command("replay", "data/journal", "--verify")  # what it decided is an input; everything after it comes out again
        assert verified.returncode == 0, verified.stdout[-2000:] + verified.stderr[-2000:]


def looks_and_repairs(host, office):
    """A subscriber that throws half of what it gets away, and asks for it."""
    session = wire.Peer("ipc://" + host.path("s"))
    session.hello(name="office", **{"class": "admin"}, token=office)
    link = wire.Link("ipc://" + host.path("t"), 0x21)  # SUB: a subscription is the subscriber's own business
    seen, missing, upcoming, packets = {}, [], None, 0
    while len(seen) < 200:
        packets += 1
        for one in wire.frames(link.receive()):
            if one[0] != wire.TICKS or one[1] != 1 or one[2] != wire.DATA:
                continue
            upcoming = one[5] if upcoming is None else upcoming
            if packets % 2:
                missing.append((upcoming, one[5] + one[3]))
            else:
                seen.update({number: block for number, _, block, _ in wire.messages(one)})
            upcoming = one[5] + one[3]
    repaired = 0
    for begin, end in missing:
        while begin < end:
            answer = session.ask(wire.REPAIR, payload=struct.pack("<8sIIQQQ", wire.TICKS, 1, 0, session.epoch, begin, end))
            if answer[0][2] == wire.BUSY:
                continue
            for one in answer:
                assert one[2] == wire.DATA and one[5] == begin, one[:6]
                seen.update({number: block for number, _, block, _ in wire.messages(one)})
                begin += one[3]
                repaired += one[3]
    numbers = sorted(seen)
    assert repaired > 0 and numbers == list(range(numbers[0], numbers[-1] + 1))
    sequences = [struct.unpack_from("<Q", seen[n], 16)[0] for n in numbers]
    assert len(sequences) == len(set(sequences))  # in the order of the shard's lanes


def commands(host, office, token):
    """What the control socket does, for class admin alone, and each once."""
    session = wire.Peer("ipc://" + host.path("s"))
    session.hello(name="office", **{"class": "admin"}, token=office)
    status = session.admin(command="status")
    assert status["ok"] and [s["name"] for s in status["result"]["strategies"]] == ["far", "far"], status
    again = session.ask(wire.ADMIN, sequence=session.admins, payload=b'{"command":"status"}')
    assert wire.json.loads(again[0][6]) == status  # the same answer, not a new one
    assert session.admin(command="history")["ok"]  # an answer that comes later
    refused(lambda: session.ask(wire.ADMIN, sequence=1, payload=b'{"command":"kill"}'), "DUPLICATE")  # one that was overheard, said once more
    assert not host.ask("status")["killed"]
    wrong = session.admin(command="statos")
    assert not wrong["ok"] and "did you mean" in wrong["error"]["text"], wrong
    cells = {(m["owner"], m["name"]): m["value"] for m in session.admin(command="metrics")["result"]["metrics"]}
    assert cells["bus", "refused_requests"] >= 3 and cells["feed", "repaired"] > 0, cells
    assert session.admin(command="kill", reason="a test")["result"]["killed"]
    assert host.ask("status")["killed"]
    assert session.admin(command="release")["ok"]
    session.bye()
    trader = wire.Peer("ipc://" + host.path("s"))
    refused(lambda: trader.hello(name="far", version="1.0.0", **{"class": "admin"}, token=token), "PERMISSION")
    trader.hello(name="far", **{"class": "read"}, token=token)
    refused(lambda: trader.admin(command="kill"), "PERMISSION")


for form in ((False, 1), (True, 2)):
    life(*form)
