"""Promise: what becomes of a strategy elsewhere that falls silent is what its `on_silent` says: `hold` leaves its open order and its position, `cancel` takes the
order away and leaves the position, `flatten` closes that too; each is in the journal, with an alert whose words the status has. Ticks that one which does not ask had no room for are told it in their
place, are journaled with their number, and shown. A host that was started again is another life: another epoch, and no session of the one before goes on.
How: the built program, peers written from docs/wire.md (support/wire.py). Nothing waits for time, but for what the host says of itself."""

import json
import os
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support import wire  # noqa: E402
from support.host import Host, together, until  # noqa: E402

CONFIG = """return {
  mode = "paper", account = { cash = "10000000" },
  venues = { sim = { params = { flow = "random", instruments = %d, rate = %d, seed = 7 } } },
  bus = { stale_after = "%s", sessions = { { url = "ipc://%s/s", class = "trade" } } },
  strategies = {
    hold = { external = true, on_silent = "hold", universe = { "SIM00" } },
    cancel = { external = true, on_silent = "cancel", universe = { "SIM01" } },
    flatten = { external = true, on_silent = "flatten", universe = { "SIM02" } },
  },
}
"""
LOST, QUANTITY = 28, 3 * 10**8


class Peer(wire.Peer):
    def __init__(self, host, name, **more):
        super().__init__("ipc://" + host.path("s"))
        self.welcome = self.hello(name=name, version="1.0.0", **more)
        self.name, self.instrument, self.position, self.working, self.bid, self.lost, self.ticks = name, 0, 0, 0, 0, [], 0

    def look(self):
        for _, template, block, _ in self.next():
            if template == wire.INSTRUMENT:
                self.instrument, = struct.unpack_from("<I", block)
            elif template == wire.TICK:
                self.ticks += 1
                if block[30] == 2:
                    self.bid, = struct.unpack_from("<q", block, 32)
            elif template == wire.POSITION:
                _, self.position, self.working, _, _, _, _ = struct.unpack("<QqqqqII", block)
            elif template == LOST:
                self.lost.append(struct.unpack_from("<QQQ", block))
        return True


def work_order(instrument, limit):
    """WORK: an order that rests in slot 1."""
    return struct.pack("<16sQQqqdddqqqQIIBBBBBBHq", bytes(16), 0, 0, 0, 0, 0.0, 0.0, 1.0, limit, 0, 10**8, 0, instrument, 0, 3, 1, 2, 2, 0, 0, 1, 0)


def state(host, name):
    """(its state, what it holds, its open orders)"""
    instrument = {"hold": "SIM00", "cancel": "SIM01", "flatten": "SIM02"}[name]
    held = [float(p["quantity"]) for p in host.ask("positions")["positions"] if p["instrument"] == instrument]
    return host.strategies(name)[0]["placed"]["state"], sum(held), [o for o in host.ask("orders")["orders"] if o["instrument"] == instrument and not o["shadow"]]


def silences():
    with Host({}) as host:
        host.write("host.lua", CONFIG % (3, 200, "1s", host.directory))
        host.start("--quiet")
        peers = [Peer(host, name) for name in ("hold", "cancel", "flatten")]

        def settled():
            """Each holds something, and has an order far below the market."""
            for peer in peers:
                peer.look()
                if peer.position != QUANTITY:
                    peer.decide([wire.decision(peer.instrument, quantity=QUANTITY)])
                elif peer.working == 0 and peer.bid:
                    peer.decide([work_order(peer.instrument, peer.bid // 2 // 10**7 * 10**7)])
            return all(peer.position == QUANTITY and peer.working for peer in peers)

        until("positions and orders", settled)
        expected = {"hold": (3.0, 1), "cancel": (3.0, 0), "flatten": (0.0, 0)}  # what each holds, and how many of its orders are open

        def done():
            found = {name: state(host, name) for name in expected}
            return all(found[n][0] == "silent" and (found[n][1], len(found[n][2])) == expected[n] for n in expected) and found

        until("each as it was configured", done)
        told = host.command("journal", "dump", "data/journal", "--kind", "placed").stdout
        for action in (1, 2, 3):
            assert re.search(rf"change=SILENT .*action={action}\b", told), told
        last = host.ask("status")["alert"]  # `hadron status` shows it in words, and they are what it is about
        alerts = [json.loads(line)["text"] for line in host.command("journal", "dump", "data/journal", "--kind", "alert", "--json").stdout.splitlines()]
        assert last in alerts and all(any(f"strategy {name} (remote): is silent" in text for text in alerts) for name in expected), (last, alerts)
        assert not [text for text in alerts if "is silent" in text and "heard again" in text], alerts
        before = [(peer.welcome["session"], peer.epoch, peer.upcoming) for peer in peers]
        host.stop()
        host.start("--quiet")
        epochs = set()
        for name, (session, epoch, upcoming) in zip(expected, before):
            peer = Peer(host, name, resume={"session": session, "epoch": str(epoch), "next": str(upcoming)})
            assert peer.epoch != epoch and peer.welcome["next"] == "1", (peer.welcome, before)
            peer.epoch, kept = epoch, peer.epoch
            try:
                peer.next()
                raise AssertionError("a frame of an earlier life was taken")
            except wire.Refused as refusal:
                assert "another life" in refusal.args[0]["text"], refusal
            peer.epoch = kept
            until("the state of things", lambda p=peer: p.look() and p.instrument)
            epochs.add(peer.epoch)
        assert len(epochs) == 1
        host.stop()


def slow():
    with Host({}) as host:
        host.write("host.lua", CONFIG % (3, 30000, "60s", host.directory))
        host.start("--quiet")
        peer = Peer(host, "hold")
        until("ticks", lambda: peer.look() and peer.ticks)
        lost = until("there was no room", lambda: host.strategies("hold")[0]["placed"]["lost"])
        until("told in their place", lambda: peer.look() and peer.lost)
        assert all(0 < count <= last - first + 1 for first, last, count in peer.lost), peer.lost
        assert sum(count for _, _, count in peer.lost) >= lost, (peer.lost, lost)

        def journaled():
            rows = re.findall(r"count=(\d+) .*change=LOST", host.command("journal", "dump", "data/journal", "--kind", "placed").stdout)
            return sum(map(int, rows)) >= sum(count for _, _, count in peer.lost)

        until("it is in the journal", journaled)
        until("a person is told", lambda: "strategy hold (remote): has lost ticks" in host.text("err"))
        peer.bye()
        host.stop()


together((silences,), (slow,))
