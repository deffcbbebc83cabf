"""Promise: docs/wire.md is right: every example in it is a whole frame with its CRC, every kind that sdk/include/hadron/wire.h has is in its table with its
number, its bounds are those of the headers, and what it says of packed messages is enough to make them out."""

import os
import re
import struct
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(ROOT, "tests"))
from support import wire  # noqa: E402


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


page, header = text("docs", "wire.md"), text("sdk", "include", "hadron", "wire.h")
examples = re.findall(r"(?:^    [0-9a-f ]+\n)+", page, re.M)
kinds, packed = set(), 0
for example in examples:
    for _, _, kind, count, _, _, payload in wire.frames(bytes.fromhex(example.replace(" ", "").replace("\n", ""))):
        kinds.add(kind)
        if kind in (wire.DATA, wire.PACKED, wire.DECIDE):
            found = list(wire.messages((b"", 0, kind, count, 0, 1, payload)))
            assert len(found) == count and all(len(block) in (64, 128) for _, _, block, _ in found)
        if kind == wire.PACKED:
            one, two = [struct.unpack_from("<qqQIHBBqqQ", block) for _, _, block, _ in found]
            assert one[2:] == (42, 2, 0, 1, 0x20, 101250000000, 500000000, 77), one
            assert two == (one[0] + 2000, one[1] + 2000, 43, 2, 0, 1, 0x20, 101260000000, 1200000000, 78), two
            packed += 1
            for wrong in (payload[:-1], payload + b"\0", payload[:8] + b"\x29" + payload[9:]):
                try:
                    list(wire.messages((b"", 0, kind, count, 0, 1, wrong)))
                    raise SystemExit("a damaged payload was made out")
                except AssertionError:
                    pass
assert packed == 1
assert kinds >= {wire.HELLO, wire.NEXT, wire.DATA, wire.HEARTBEAT, wire.DECIDE, wire.ACK, wire.REPAIR}, kinds
for name, number in re.findall(r"HADRON_FRAME_([A-Z_]+) = (\d+),", header):
    if name != "INVALID":
        assert f"| {number} | {name} |" in page, f"kind {number} {name} is not in the table"
assert "131,072" in page and "HADRON_REQUEST_MAX (128 * 1024)" in header and "524,288" in page and "HADRON_PACKET_MAX (512 * 1024)" in header
for name, where, said in (("HD_SESSION_DECIDES 8", "base/limits.h", "| 8 |"), ("HADRON_WINDOW_MAX 4", None, "| 4 |"), ("REFUSED_A_MINUTE 60", "bus/peer.c", "60 a minute")):
    assert name in (text("host", where) if where else header) and said in page, name
