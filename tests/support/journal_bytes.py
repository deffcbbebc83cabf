"""A journal written and read by docs/journal.md alone, and the messages by the SBE layouts of the SDK: for tests that must not trust the
host's own code."""
import os
import struct

TICK, DECISION, ORDER, ORDER_EVENT, EXECUTION, ALLOCATION, INSTRUMENT, ARM, SESSION, EQUITY, SWAP, RECOVERED = 1, 3, 6, 7, 8, 9, 11, 12, 13, 19, 21, 22
LAYOUTS = {
    DECISION: ("trace cause id time_ns horizon_ns mean_return uncertainty confidence limit stop quantity key instrument arm kind side order_type "
               "time_in_force flags regime slot expire_ns", "<16sQQqqdddqqqQIIBBBBBBHq"),
    ORDER: ("trace cause intent time_ns expire_ns limit stop quantity client_order_id replaces venue_order_id instrument listing arm venue side order_type "
            "time_in_force flags slot", "<16sQQqqqqq24s24s40sIIIHBBBBB5x"),
    ORDER_EVENT: ("trace cause id intent time_ns venue_ns client_order_id venue_order_id limit stop average quantity filled actual bound instrument arm venue "
                  "reason from to change side order_type time_in_force flags slot text", "<16sQQQqq24s40sqqqqqqqIIHHBBBBBBBB4x64s"),
    EXECUTION: ("trace cause id intent time_ns venue_ns client_order_id execution_id price quantity filled fee instrument arm venue side liquidity flags",
                "<16sQQQqq24s40sqqqqIIHBBB3x"),
    RECOVERED: ("time_ns took_ns position snapshot records ticks orders_open orders_unknown orders_ended alerts", "<qqQQQQIIII"),
    ALLOCATION: ("id execution opportunity time_ns price quantity fee realized position cost instrument arm side flags", "<QQQqqqqqqqIIBB6x"),
    INSTRUMENT: ("instrument listing venue asset flags increment lot multiplier name symbol currency", "<IIHBB4xqqq32s32s8s"),
    ARM: ("arm revision role placement waits weight digest name version split_low split_high", "<IIBBB5xd32s64s32sII"),
    SESSION: ("session time_ns seed shards mode flags", "<16sqQIBB2x"),
    EQUITY: ("time_ns cash cost realized unrealized fees gross arm", "<qqqqqqqI4x"),
    SWAP: ("time_ns pause_ns last_sequence first_sequence revision arm other state_size stage kind from_digest digest name from_version version",
           "<qqQQIIIIBB6x32s32s64s32s32s"),
}
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(crc, data):
    crc ^= 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 0xFF]
    return crc ^ 0xFFFFFFFF


def block(template, **fields):
    names, layout = LAYOUTS[template]
    values = []
    for name, code in zip(names.split(), codes(layout)):
        value = fields.pop(name, b"" if code.endswith("s") else 0)
        values.append(value.encode() if isinstance(value, str) else value)
    assert not fields, fields
    return struct.pack(layout, *values)


def codes(layout):
    out, count = [], ""
    for c in layout[1:]:
        if c.isdigit():
            count += c
            continue
        if c == "x":
            count = ""
            continue
        out.extend([count + c] if c == "s" else [c])
        count = ""
    return out


class Writer:
    """One segment, as large as it must be."""

    def __init__(self, directory):
        self.directory, self.records, self.sequence = directory, bytearray(), 1

    def add(self, template, tail=b"", **fields):
        message = block(template, **fields) + tail
        size = 32 + len(message)
        root = struct.calcsize(LAYOUTS[template][1])
        rest = struct.pack("<QqHHHH", self.sequence, fields.get("time_ns", 1), root, template, 4842, 256) + message
        rest += bytes(-size % 8)
        low = size | 0x52 << 24
        self.records += struct.pack("<II", low, crc32c(low, rest)) + rest
        self.sequence += 1

    def close(self):
        os.makedirs(self.directory, exist_ok=True)
        size = 4096 + (len(self.records) + 8191) // 4096 * 4096
        head = struct.pack("<8sHHI16sQQQqHH", b"HADRONJ1", 1, 0, 4096, bytes(range(16)), 1, 0, size, 1, 4842, 256)
        head += struct.pack("<I", crc32c(0, head))
        data = head.ljust(4096, b"\0") + bytes(self.records)
        with open(os.path.join(self.directory, "journal-0000000000000001.hdj"), "wb") as f:
            f.write(data.ljust(size, b"\0"))


def read(directory):
    """(template, fields) of every record whose layout is known, in order."""
    for name in sorted(n for n in os.listdir(directory) if n.endswith(".hdj")):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        if data[:8] != b"HADRONJ1":
            continue
        at = 4096
        while at + 32 <= len(data):
            low, = struct.unpack_from("<I", data, at)
            size, mark = low & 0xFFFFFF, low >> 24
            if low == 0 or mark == 0x53:
                break
            template, = struct.unpack_from("<H", data, at + 26)
            if mark == 0x52 and template in LAYOUTS:
                names, layout = LAYOUTS[template]
                values = struct.unpack_from(layout, data, at + 32)
                yield template, {n: v.rstrip(b"\0").decode("latin-1") if n in ("name", "version", "from_version", "symbol", "currency") else v
                                 for n, v in zip(names.split(), values)}
            at += (size + 7) & ~7


def messages(directory):
    """(journal, sequence, position, position behind it, time_ns, message with its header) of every record, in order."""
    segments = []
    for name in (n for n in os.listdir(directory) if n.endswith(".hdj")):
        with open(os.path.join(directory, name), "rb") as f:
            data = f.read()
        if data[:8] == b"HADRONJ1":
            segments.append((struct.unpack_from("<Q", data, 40)[0], data))
    for start, data in sorted(segments):
        at, = struct.unpack_from("<I", data, 12)
        while at + 32 <= len(data):
            low, = struct.unpack_from("<I", data, at)
            size, mark, behind = low & 0xFFFFFF, low >> 24, at + ((low & 0xFFFFFF) + 7 & ~7)
            if low == 0 or mark == 0x53:
                break
            if mark == 0x52:
                sequence, time_ns = struct.unpack_from("<Qq", data, at + 8)
                yield data[16:32], sequence, start + at, start + behind, time_ns, data[at + 24:at + size]
            at = behind
