"""Promise: docs/wire.md is right: every example in it is a whole frame with its CRC, every kind that sdk/include/hadron/wire.h has is in its table with its
number, and its bounds are those of the headers."""

import os
import re
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(ROOT, "tests"))
from support import wire  # noqa: E402


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


page, header = text("docs", "wire.md"), text("sdk", "include", "hadron", "wire.h")
examples = re.findall(r"(?:^    [0-9a-f ]+\n)+", page, re.M)
kinds = set()
for example in examples:
    for _, _, kind, count, _, _, payload in wire.frames(bytes.fromhex(example.replace(" ", "").replace("\n", ""))):
        kinds.add(kind)
        if kind in (wire.DATA, wire.DECIDE):
            found = list(wire.messages((b"", 0, kind, count, 0, 1, payload)))
            assert len(found) == count and all(len(block) in (64, 128) for _, _, block, _ in found)
assert kinds >= {wire.HELLO, wire.NEXT, wire.DATA, wire.HEARTBEAT, wire.DECIDE, wire.ACK, wire.REPAIR}, kinds
for name, number in re.findall(r"HADRON_FRAME_([A-Z_]+) = (\d+),", header):
    if name != "INVALID":
        assert f"| {number} | {name} |" in page, f"kind {number} {name} is not in the table"
assert "131,072" in page and "HADRON_REQUEST_MAX (128 * 1024)" in header and "524,288" in page and "HADRON_PACKET_MAX (512 * 1024)" in header
for name, where, said in (("HD_SESSION_DECIDES 8", "base/limits.h", "| 8 |"), ("HADRON_WINDOW_MAX 4", None, "| 4 |"), ("REFUSED_A_MINUTE 60", "bus/peer.c", "60 a minute")):
    assert name in (text("host", where) if where else header) and said in page, name
