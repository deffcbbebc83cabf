"""A reader of a host's ticks with libhadron, in a process of its own, so that it can be stopped and killed:

    feed_reader.py FEED SESSION TOKEN STREAMS [SLOW_MS]

Prints a line of JSON once it has heard of all streams: {"first": [number of each stream's first message]}. SLOW_MS: so long between two polls, until a line
comes. A line {"from": [..], "to": [..]} on its standard input: reads until it has everything before `to`, prints what became of the numbers from `from` on
(a CRC of their bytes, lost ones as zeros), and ends. Numbers that do not follow each other end it with words."""

import ctypes
import json
import os
import select
import sys
import zlib
from ctypes import POINTER, Structure, byref, c_char_p, c_int32, c_uint32, c_uint64, c_void_p

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "sdk/python"))
from hadron import client as c  # noqa: E402

TICK = 64


class FeedOptions(Structure):
    _fields_ = [("struct_size", c_uint32), ("hold", c_uint32), ("url", c_char_p), ("topic", c_char_p), ("session", c.Options), ("heartbeat_ms", c_uint32), ("repair_ms", c_uint32),
                ("seed", c_uint64)]


class Figures(Structure):
    _fields_ = [(name, c_uint64) for name in ("packets", "messages", "duplicates", "damaged", "old_epoch", "held", "overflowed", "gaps", "gap_messages", "repairs", "repaired",
                                              "lost", "snapshots", "resets", "stale")]


class Reader:
    def __init__(self, feed, session, token):
        self.library = c.library()
        for name, result, arguments in (("open", c_int32, [POINTER(FeedOptions), POINTER(c_void_p)]), ("poll", c_int32, [c_void_p, c_int32, POINTER(c.Event)]),
                                        ("figures", None, [c_void_p, POINTER(Figures)]), ("close", None, [c_void_p])):
            function = getattr(self.library, "hadron_feed_" + name)
            function.restype, function.argtypes = result, arguments
        own = c.Options(struct_size=ctypes.sizeof(c.Options), url=session.encode(), rights=b"read", name=b"office", token=token.encode())
        options = FeedOptions(struct_size=ctypes.sizeof(FeedOptions), url=feed.encode(), session=own)
        self.handle = c_void_p()
        assert self.library.hadron_feed_open(byref(options), byref(self.handle)) == 0, self.library.hadron_client_words()
        self.event = c.Event()
        self.first, self.bytes, self.lost, self.fresh = {}, {}, {}, {}

    def upcoming(self, stream):
        return self.first[stream] + len(self.bytes[stream]) // TICK

    def poll(self, timeout_ms):
        self.library.hadron_feed_poll(self.handle, timeout_ms, byref(self.event))
        e = self.event
        if e.kind == c.SNAPSHOT and e.stream not in self.first:
            self.first[e.stream], self.bytes[e.stream], self.lost[e.stream] = e.sequence, bytearray(), 0
        elif e.kind == c.TICKS and not e.flags & c.OF_SNAPSHOT:
            assert e.sequence == self.upcoming(e.stream) and e.stride == TICK, f"stream {e.stream}: expected {self.upcoming(e.stream)}, found {e.sequence}"
            self.bytes[e.stream] += e.bytes()
        elif e.kind == c.LOST:
            assert e.sequence == self.upcoming(e.stream), f"stream {e.stream}: lost from {e.sequence}, expected {self.upcoming(e.stream)}"
            self.bytes[e.stream] += bytes(TICK * e.lost)
            self.lost[e.stream] += e.lost
        elif e.kind in (c.REFUSED, c.CLOSED):
            raise AssertionError(e.words())

    def account(self, first, to):
        figures = Figures()
        self.library.hadron_feed_figures(self.handle, byref(figures))
        rows = {name: getattr(figures, name) for name, _ in Figures._fields_}
        rows["declared"] = sum(self.lost.values())
        rows["crc"] = [zlib.crc32(memoryview(self.bytes[s + 1])[TICK * (first[s] - self.first[s + 1]):TICK * (to[s] - self.first[s + 1])]) for s in range(len(to))]
        return rows


def main(feed, session, token, streams, slow_ms="0"):
    reader, streams, told, wish = Reader(feed, session, token), int(streams), False, None
    while True:
        reader.poll(20)
        if not told and len(reader.first) == streams and all(reader.bytes.values()):
            told = True
            print(json.dumps({"first": [reader.first[s + 1] for s in range(streams)]}), flush=True)
        if wish is None and select.select([sys.stdin], [], [], int(slow_ms) / 1000)[0]:
            wish = json.loads(sys.stdin.readline())
        if wish and all(reader.upcoming(s + 1) >= wish["to"][s] for s in range(streams)):
            break
    print(json.dumps(reader.account(wish["from"], wish["to"])), flush=True)
    reader.library.hadron_feed_close(reader.handle)


main(*sys.argv[1:])
