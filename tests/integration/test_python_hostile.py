"""Promise: whatever a host sends, a strategy in Python is called with what lies there or not at all, and nothing of it brings the interpreter down: frames of random messages
of every template, cut and damaged ones, packets that begin in the middle; a message of 16 GB ends the connection. A batch is the received memory itself, not a copy, and
nobody writes into it.
How: a host of a few lines, written from docs/wire.md, in a thread of this test. The seed is printed; HADRON_SEED repeats it."""

import json
import os
import random
import struct
import sys
import tempfile
import time

ROOT, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
sys.path[:0] = [f"{ROOT}/sdk/python", f"{ROOT}/tests"]
from support import sanitized, wire  # noqa: E402
from support.scripted_host import HANG_UP, ScriptedHost  # noqa: E402

sanitized.preload()
os.environ["HADRON_LIBRARY"] = f"{BUILD}/lib/libhadron.so"
import hadron  # noqa: E402
from hadron.messages import SIZES  # noqa: E402
from hadron.run import Runner  # noqa: E402

ROUNDS = 400
SEED = int(os.environ.get("HADRON_SEED", time.time_ns()))
WELCOME = json.dumps({"session": 7, "epoch": "99", "next": "1", "decided": "0", "heartbeat_ms": 60000, "stale_ms": 60000, "window": 1, "class": "trade", "arm": 1, "role": "live",
                      "instruments": 1, "host": "hostile", "mode": "paper", "version": "1.0.0", "params": {}, "bars": []}).encode()
TEMPLATES = [1, 1, 1, 2, 7, 9, 11, 26, 27, 28, 29, 99]


class Hostile(ScriptedHost):
    def __init__(self, path):
        super().__init__(path, self.reply)
        self.random = random.Random(SEED)
        self.rounds = 0
        self.ticks = set()  # that were sent whole
        self.hung_up = False

    def messages_of(self, number):
        """A DATA frame of random messages from `number` on; how many; and whether it is as it should be."""
        r = self.random
        template, count = r.choice(TEMPLATES), 1 if r.random() < 0.5 else r.randrange(1, 9)
        length = SIZES.get(template, 16) + (8 * r.randrange(0, 3) if r.random() < 0.2 else 0)
        tail = b""
        if template == 29 or (template == 99 and r.random() < 0.5):
            count, text = 1, r.randbytes(r.randrange(0, 40))
            tail = struct.pack("<I", len(text)) + text
        blocks = r.randbytes(length * count)
        payload = struct.pack("<HHHH", length, template, 4842, 256 + r.randrange(0, 5)) + blocks + tail
        good = True
        if r.random() < 0.15:  # another schema, another major version, a length of 0, cut
            wrong = r.randrange(4)
            payload = (payload[:4] + b"\0\0" + payload[6:], payload[:7] + b"\2" + payload[8:], b"\0\0" + payload[2:], payload[:-1 - r.randrange(len(payload))])[wrong]
            if wrong == 3 and len(payload) < 9:
                payload += bytes(9 - len(payload))
            good = False
        packet = wire.frame(wire.DATA, 7, count, 99, number, payload)
        if r.random() < 0.1:
            damaged = bytearray(packet)
            damaged[r.randrange(len(damaged))] ^= 1 << r.randrange(8)
            packet, good = bytes(damaged), False
        return packet, template, count, good

    def reply(self, head):
        if head[2] == wire.HELLO:
            return wire.frame(wire.WELCOME, 7, 0, 99, 1, WELCOME)
        if head[2] != wire.NEXT:
            return wire.frame(wire.ACK, 7, 0, 99, head[5])
        if self.rounds == ROUNDS:  # the last thing: 16 GB
            self.link.sendall(b"\1" + struct.pack(">Q", 16 << 30))
            self.hung_up = self.ended = self.link.recv(1) == b""
            return HANG_UP
        self.rounds += 1
        packet, template, _, good = self.messages_of(head[5])
        if good and template == 1:
            self.ticks.update(block[:64] for _, _, block, _ in wire.messages(next(wire.frames(packet))))
        return packet


class Seen(hadron.Strategy):
    name, version = "seen", "1.0.0"

    def __init__(self):
        super().__init__()
        self.calls, self.ticks, self.sent = {}, 0, set()

    def note(self, what):
        self.calls[what] = self.calls.get(what, 0) + 1

    def on_tick(self, tick):
        self.ticks += 1
        assert struct.pack("<qqQIHBB4q", *tick) in self.sent

    def on_bar(self, bar): self.note("bar")
    def on_execution(self, allocation): self.note("execution")
    def on_order(self, change): self.note("order")
    def on_lost(self, first, last, count): self.note("lost")


class Batches(Seen):
    def on_batch(self, ticks):
        event = self.runner.client.event
        self.ticks += len(ticks)
        assert ticks.__array_interface__["data"][0] == event.data and len(ticks) == event.count, "a copy"
        assert not ticks.flags.owndata and not ticks.flags.writeable
        assert int(ticks["sequence"][-1]) == self.cause
        data = event.bytes()
        assert all(bytes(data[at:at + 64]) in self.sent for at in range(0, len(data), event.stride))


def run(kind, directory):
    path = os.path.join(directory, kind.__name__)
    hostile, strategy = Hostile(path), kind()
    strategy.sent = hostile.ticks
    hostile.start()
    runner = strategy.runner = Runner(strategy, f"ipc://{path}")
    while not hostile.hung_up and hostile.fault is None:
        runner.step(20)
    figures = runner.client.figures()
    runner.close()
    assert hostile.fault is None, hostile.fault
    print(f"{kind.__name__}: {hostile.rounds} packets, {strategy.ticks} ticks, {strategy.calls}, damaged {figures['damaged']}, connections {hostile.connections}")
    assert hostile.rounds == ROUNDS and hostile.connections >= 1
    assert strategy.ticks > ROUNDS // 10, strategy.ticks  # what comes behind a damaged packet is thrown away and asked for again
    assert all(strategy.calls.get(what) for what in ("bar", "execution", "order", "lost")), strategy.calls
    assert figures["damaged"] > 10, figures


print(f"HADRON_SEED={SEED}")
with tempfile.TemporaryDirectory(prefix="hd", dir="/tmp") as place:
    run(Seen, place)
    try:
        import numpy  # noqa: F401
    except ImportError:
        print("numpy is not installed (Debian: python3-numpy): batches are not tried")
    else:
        run(Batches, place)
