"""Promise: what a session of a strategy in Python says, and what it makes of what it hears. HELLO says who it is, what it wants and what it has; WELCOME's parameters hold;
callbacks are called in order, with the time and the cause of what they are called for, and what they decide goes out with it, numbered; a refusal is told; parameters are
taken whole or not at all. A connection that is cut is made again, and the stream goes on: nothing twice, a gap is asked for again; another session begins anew with its
own state. A refusal that may pass is waited out, another one ends it with its words; a host that is not heard is stale until it is. Fields that a newer host has behind
a tick are passed over.
How: a host of a few lines (support/scripted_host.py), which waits for the test; nothing waits for time but what WELCOME says is stale."""

import json
import os
import queue
import struct
import sys
import tempfile
import threading
import time

ROOT, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
sys.path[:0] = [f"{ROOT}/sdk/python", f"{ROOT}/tests"]
from support import sanitized, wire  # noqa: E402
from support.scripted_host import HANG_UP, ScriptedHost  # noqa: E402

sanitized.preload()
os.environ["HADRON_LIBRARY"] = f"{BUILD}/lib/libhadron.so"
import hadron  # noqa: E402
from hadron.client import HadronError  # noqa: E402
from hadron.messages import SIZES  # noqa: E402
from hadron.run import Runner  # noqa: E402

BAR, ORDER, ALLOCATION, LOST, ASK, ANSWER = 2, 7, 9, 28, 29, 21
WAIT_S = 60


def until(what, question):
    end = time.monotonic() + WAIT_S
    while not question():
        assert time.monotonic() < end, what


class Host:
    """Keeps the stream, and what was said to it."""

    def __init__(self, path):
        self.session, self.epoch, self.stale_ms, self.refusals = 7, 99, 60000, []
        self.stream = []        # frames: (template, count, payload)
        self.hellos, self.decided, self.answers, self.rewinds = queue.Queue(), queue.Queue(), queue.Queue(), queue.Queue()
        self.codes = {}         # decision: the code it is refused with
        self.turned = None      # number of a frame that is sent in the place of the next one; or what is done before the connection ends
        self.news = threading.Event()
        self.speaks = threading.Event()
        self.speaks.set()
        self.thread = ScriptedHost(path, self.answer)
        self.thread.start()

    def welcome(self, resume):
        goes_on = resume and (resume["session"], resume["epoch"]) == (self.session, str(self.epoch))
        return wire.frame(wire.WELCOME, self.session, 0, self.epoch, 1, json.dumps({
            "session": self.session, "epoch": str(self.epoch), "next": resume["next"] if goes_on else "1", "decided": str(self.last) if goes_on else "0", "heartbeat_ms": 20,
            "stale_ms": self.stale_ms, "window": 1, "class": "trade", "arm": 3, "role": "live", "instruments": 1, "host": "scripted", "mode": "paper", "version": "1.2.3",
            "params": {"length": "7"}, "bars": ["1m"]}).encode())

    last = 0

    def data(self, wanted):
        number = 1
        for template, count, payload in self.stream:
            if number == wanted:
                return wire.frame(wire.DATA, self.session, count, self.epoch, number, payload)
            number += count
        return None

    def answer(self, head):
        _, _, kind, count, epoch, sequence, payload = head
        if kind == wire.DECIDE and epoch != self.epoch:
            return wire.frame(wire.ACK, self.session, 0, epoch, self.last)
        self.speaks.wait()
        if kind == wire.HELLO:
            words = json.loads(payload)
            self.hellos.put(words)
            if self.refusals:
                return wire.frame(wire.REFUSED, 0, 0, 0, 0, json.dumps(self.refusals.pop(0)).encode())
            return self.welcome(words.get("resume"))
        if kind == wire.DECIDE:
            blocks = [payload[8 + 128 * i:136 + 128 * i] for i in range(count)]
            for i, block in enumerate(blocks):
                if sequence + i > self.last:  # said again where its answer was late
                    self.decided.put((sequence + i, hadron.messages.Decision.unpack(block)))
            self.last = max(self.last, sequence + count - 1)
            refused = [(n, self.codes[n]) for n in range(sequence, sequence + count) if n in self.codes]
            return wire.frame(wire.ACK, self.session, len(refused), self.epoch, self.last, b"".join(struct.pack("<Qii", n, code, 0) for n, code in refused))
        if kind == ANSWER:
            self.answers.put(struct.unpack_from("<Qi", payload))
            return wire.frame(wire.ACK, self.session, 0, self.epoch, sequence)
        if kind != wire.NEXT:
            return wire.frame(wire.ACK, self.session, 0, self.epoch, self.last)
        if count == 1:
            self.rewinds.put(sequence)
        if callable(self.turned):
            first, self.turned = self.turned, None
            first()
            return HANG_UP
        if self.turned and self.data(self.turned):
            number, self.turned = self.turned, None
            return self.data(number)
        found = self.data(sequence)
        if found is None:
            self.news.wait(0.002)  # how often this host beats, as far as a strategy asks and there is nothing to tell
            self.news.clear()
            return wire.frame(wire.HEARTBEAT, self.session, 0, self.epoch, sequence, struct.pack("<q", 5))
        return found

    def begin_again(self):
        self.session, self.epoch, self.stream, self.last = 8, 100, [], 0

    def tell(self, template, *blocks, length=0, tail=b""):
        self.stream.append(self.frame(template, *blocks, length=length, tail=tail))
        self.news.set()

    @staticmethod
    def frame(template, *blocks, length=0, tail=b""):
        length = length or SIZES[template]
        return (template, len(blocks), struct.pack("<HHHH", length, template, 4842, 256 + (length > SIZES[template])) + b"".join(b.ljust(length, b"\x55") for b in blocks) + tail)


def tick(sequence, price=0):
    return struct.pack("<qqQIHBB4q", sequence * 10, sequence * 10 + 1, sequence, 2, 1, 1, 0, price, 0, 0, 0)


def instrument(number, name):
    block = bytearray(SIZES[11])
    struct.pack_into("<I", block, 0, number)
    block[40:40 + len(name)] = name
    return bytes(block)


def position(number, held):
    return struct.pack("<QqqqqII", 0, held, 3, 4, 9, 3, number)


def ask(number, params):
    text = json.dumps(params).encode()
    return struct.pack("<QqIIII", number, 0, 2, 0, 0, len(text)), struct.pack("<I", len(text)) + text


class Told(hadron.Strategy):
    name, version, universe, bars, params = "told", "1.2.3", ("A*", "BRK.B"), ("1m", ("tick", "100")), {"length": 20, "calm": True}

    def __init__(self):
        super().__init__()
        self.calls = []

    def wants(self, quantity):
        self.target(2, quantity)

    def on_start(self):
        self.calls.append(("start", {n: d.name for n, d in self.instruments.items()}, self.holding(2), self.session.session, self.session.epoch, self.params["length"]))
        self.wants(1)

    def on_tick(self, tick):
        self.calls.append(("tick", tick.sequence, self.now_ns, self.cause))
        if tick.sequence % 2 == 0:
            self.wants(tick.sequence)

    def on_bar(self, bar):
        self.calls.append(("bar", bar, self.cause))

    def on_execution(self, execution):
        self.calls.append(("execution", execution, self.position(2)))
        self.wants(77)

    def on_order(self, event):
        self.calls.append(("order", event))
        self.wants(78)

    def on_params(self): self.calls.append(("params", dict(self.params)))
    def on_lost(self, *what): self.calls.append(("lost", *what))
    def on_stale(self): self.calls.append(("stale", self.stale))
    def on_live(self): self.calls.append(("live", self.stale))
    def on_refused(self, number, code): self.calls.append(("refused", number, code))
    def on_stop(self): self.calls.append(("stop",))


class Scene:
    def __init__(self, place, kind=Told, **more):
        self.path = os.path.join(place, "s")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.host, self.strategy, self.log = Host(self.path), kind(), []
        self.runner = Runner(self.strategy, f"ipc://{self.path}", token="secret", log=self.log.append, **more)

    def until(self, question, what="it comes"):
        until(what, lambda: self.runner.step(5) and False or self.host.thread.fault is not None or question())
        assert self.host.thread.fault is None, self.host.thread.fault

    def calls(self, count):
        """The next ones."""
        self.until(lambda: len(self.strategy.calls) >= count, f"{count} calls: {self.strategy.calls}")
        taken, self.strategy.calls = self.strategy.calls[:count], self.strategy.calls[count:]
        return taken

    def decision(self):
        self.until(lambda: not self.host.decided.empty(), "a decision")
        number, d = self.host.decided.get()
        return number, d.quantity, d.cause

    def get(self, from_):
        self.until(lambda: not from_.empty())
        return from_.get()

    def end(self):
        self.runner.close()
        self.host.thread.ended = True


HELD = hadron.strategy.Holding(500, 3, 4, 9)


def heard_and_said(scene):
    host = scene.host
    host.codes[2] = -9
    host.tell(11, instrument(2, b"ACME"))
    host.tell(27, position(2, 500))
    host.tell(1, tick(1))
    hello = scene.get(host.hellos)
    assert {k: hello.get(k) for k in ("protocol", "name", "version", "class", "token", "universe", "bars", "params", "resume")} == {
        "protocol": 1, "name": "told", "version": "1.2.3", "class": "trade", "token": "secret", "universe": ["A*", "BRK.B"], "bars": ["1m", "tick:100"],
        "params": {"length": "20", "calm": "True"}, "resume": None}, hello
    assert scene.calls(2) == [("start", {2: "ACME"}, HELD, 7, 99, 7), ("tick", 1, 11, 1)]
    assert scene.strategy.session.arm == 3 and scene.strategy.session.mode == "paper" and scene.strategy.session.host == "scripted"
    assert scene.decision() == (1, 1, 1)  # what no tick has caused answers to the last one that has come
    host.tell(1, tick(2), tick(3))
    assert scene.calls(2) == [("tick", 2, 21, 2), ("tick", 3, 31, 3)] and scene.decision() == (2, 2, 2)
    assert scene.calls(1) == [("refused", 2, "HADRON_ERR_STATE")]
    bar, execution, order = bytes(range(SIZES[BAR])), bytes(range(1, 1 + SIZES[ALLOCATION])), bytes(n % 200 for n in range(SIZES[ORDER]))
    host.tell(BAR, bar)
    host.tell(27, position(2, 600))
    host.tell(ALLOCATION, execution)
    unpacked = hadron.Bar.unpack(bar)
    assert scene.calls(2) == [("bar", unpacked, unpacked.sequence), ("execution", hadron.Allocation.unpack(execution), 600)] and scene.decision()[:2] == (3, 77)
    host.tell(ORDER, order)
    assert scene.calls(1) == [("order", hadron.OrderEvent.unpack(order))] and scene.decision()[:2] == (4, 78)
    host.tell(LOST, struct.pack("<QQQII", 4, 8, 3, 0, 0))
    assert scene.calls(1) == [("lost", 4, 8, 3)]


def parameters(scene):
    host = scene.host
    for number, params, code in ((1, {"length": "9", "calm": "false"}, 0), (2, {"length": "10", "calm": "perhaps"}, -1), (3, {"length": "9"}, 0)):
        block, tail = ask(number, params)
        host.tell(ASK, block, tail=tail)
        assert scene.get(host.answers) == (number, code)
        assert scene.strategy.params == {"length": 9, "calm": False}, scene.strategy.params
    assert scene.calls(1) == [("params", {"length": 9, "calm": False})] and not scene.strategy.calls


def numbers(scene):
    """Two frames more, the second before the first; then one that has been there."""
    host = scene.host
    first = sum(count for _, count, _ in host.stream) + 1
    host.turned = first + 1
    host.stream += [host.frame(1, tick(11)), host.frame(1, tick(13))]  # both at once
    assert scene.calls(2) == [("tick", 11, 111, 11), ("tick", 13, 131, 13)]
    host.turned = first
    host.tell(1, tick(15))
    assert scene.calls(1) == [("tick", 15, 151, 15)]
    figures = scene.runner.client.figures()
    assert figures["rewinds"] + host.rewinds.qsize() >= 1 and figures["duplicates"] >= 1, figures


def cut(scene):
    host = scene.host
    upcoming = sum(count for _, count, _ in host.stream) + 1
    host.turned = lambda: None
    assert scene.get(host.hellos)["resume"] == {"session": 7, "epoch": "99", "next": str(upcoming)}
    host.tell(1, tick(16))
    assert scene.calls(1) == [("tick", 16, 161, 16)]  # no second start
    assert scene.decision() == (5, 16, 16) and scene.strategy.position(2) == 600
    assert any("goes on where it broke" in line for line in scene.log), scene.log
    # The host is started again: not yet; then it does not know of that session. What it has is another one, of another life.
    host.refusals += [{"code": "HADRON_ERR_AGAIN", "text": "it is starting"}] * 2
    host.turned = host.begin_again
    assert [scene.get(host.hellos).get("resume") is None for _ in range(3)] == [False, True, True]
    assert scene.runner.closed is None and any("it is starting" in line for line in scene.log), scene.log
    host.tell(11, instrument(5, b"OTHER"))
    host.tell(1, tick(1))
    assert scene.calls(2) == [("start", {5: "OTHER"}, hadron.strategy.Holding(), 8, 100, 7), ("tick", 1, 11, 1)]
    assert scene.decision()[:2] == (1, 1)


def silent(scene):
    host = scene.host
    host.stale_ms = 100
    host.turned = lambda: None
    scene.get(host.hellos)
    scene.until(lambda: scene.runner.client.figures()["resumed"] == 2)
    host.speaks.clear()
    assert scene.calls(1) == [("stale", True)]
    host.speaks.set()
    assert scene.calls(1) == [("live", False)]


def newer(scene):
    host = scene.host
    host.tell(1, tick(20), tick(22), length=72)
    host.tell(1, *[tick(n) for n in range(23, 32)], length=72)  # 648 bytes: also a multiple of 64 would be
    host.tell(1, *[tick(n) for n in range(32, 40)], length=72)  # 576 bytes: it is one
    seen = []
    while len(seen) < 19:
        seen += [call[1] for call in scene.calls(1) if call[0] == "tick"]
    assert seen == [20, 22, *range(23, 40)], seen


def ended(scene):
    host = scene.host
    host.refusals += [{"code": "HADRON_ERR_NOT_FOUND", "text": "nobody of that name"}] * 2  # of the session, then of the name
    host.turned = lambda: None
    scene.strategy.calls.clear()
    scene.until(lambda: scene.runner.closed is not None)
    assert "nobody of that name" in scene.runner.closed
    try:
        scene.runner.run()
        raise AssertionError("it goes on")
    except HadronError as fault:
        assert "nobody of that name" in str(fault)
    assert scene.strategy.calls == [("stop",)]


def pinned(place):
    scene = Scene(place, pinned={"length"})
    scene.until(lambda: scene.runner.closed is not None)
    assert "length = 7" in scene.runner.closed and "--set length=20" in scene.runner.closed
    scene.end()


with tempfile.TemporaryDirectory(prefix="hd", dir="/tmp") as directory:
    one = Scene(directory)
    for part in (heard_and_said, parameters, numbers, cut, silent, newer, ended):
        part(one)
        print(part.__name__, flush=True)
    one.end()
    pinned(directory)
