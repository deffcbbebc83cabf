"""A peer of the bus written from docs/wire.md alone: plain sockets, the standard library, nothing of this project.

    peer = Peer("ipc:///path")            # or tcp://127.0.0.1:7007
    peer.hello(name="trend", version="1.0.0")
    for message in peer.next(): ...       # (number, template, block, tail)
    peer.decide([decision(...)])"""

import json
import socket
import struct

SESSION, EVENTS, TICKS = b"session\0", b"events\0\0", b"ticks\0\0\0"
DATA, HEARTBEAT, PACKED, HELLO, NEXT, DECIDE, REPAIR, SNAPSHOT, ADMIN, BYE = 1, 2, 3, 16, 17, 18, 19, 20, 22, 23
WELCOME, REFUSED, ACK, TOO_OLD, BUSY = 32, 33, 34, 35, 36
TICK, DECISION, ALLOCATION, INSTRUMENT, MARK, POSITION = 1, 3, 9, 11, 26, 27
HEAD = struct.Struct("<8sIHHQQII")  # topic, stream, kind, count, epoch, sequence, size, crc


def crc_table():
    rows = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        rows.append(n)
    return rows


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def frame(kind, stream=0, count=0, epoch=0, sequence=0, payload=b"", topic=SESSION):
    bare = HEAD.pack(topic, stream, kind, count, epoch, sequence, len(payload), 0)
    return HEAD.pack(topic, stream, kind, count, epoch, sequence, len(payload), crc32c(bare + payload)) + payload


def frames(packet):
    at = 0
    while at < len(packet):
        topic, stream, kind, count, epoch, sequence, size, crc = HEAD.unpack_from(packet, at)
        payload = packet[at + 40:at + 40 + size]
        assert crc == crc32c(packet[at:at + 36] + bytes(4) + payload), "CRC"
        yield topic, stream, kind, count, epoch, sequence, payload
        at += 40 + size


def unpack(packed, count, length):
    """The blocks of a PACKED frame, one behind the other."""
    words, at, blocks = length // 8, 0, bytearray(length)  # of zeros: before the first
    for _ in range(count):
        controls, at = packed[at:at + (words + 1) // 2], at + (words + 1) // 2
        for i in range(words):
            size = controls[i // 2] >> i % 2 * 4 & 15
            before = int.from_bytes(blocks[len(blocks) - length:][:8], "little")  # the same word of the message before
            assert size <= 8 and at + size <= len(packed)
            blocks += (before ^ int.from_bytes(packed[at:at + size], "little")).to_bytes(8, "little")
            at += size
    assert at == len(packed)
    return bytes(blocks[length:])


def messages(frame_):
    _, _, kind, count, _, sequence, payload = frame_
    length, template, schema, _ = struct.unpack_from("<HHHH", payload)
    assert schema == 4842
    if kind == PACKED:
        payload = payload[:8] + unpack(payload[8:], count, length)
    for i in range(count):
        yield sequence + i, template, payload[8 + i * length:8 + (i + 1) * length], payload[8 + count * length:]


def decision(instrument, kind=2, side=0, quantity=0, cause=0, limit=0, key=0, confidence=1.0):
    """kind 2: TARGET, a position of `quantity` (1e-8 units)."""
    return struct.pack("<16sQQqqdddqqqQIIBBBBBBHq", bytes(16), cause, 0, 0, 0, 0.0, 0.0, confidence, limit, 0, quantity, key, instrument, 0, kind, side, 0, 0, 0, 0, 0, 0)


class Refused(Exception):
    pass


class Link:
    """SP over a stream: 8 bytes each way, then messages with their length in front; over ipc a byte 1 before the length."""

    def __init__(self, url, protocol):
        self.ipc = url.startswith("ipc://")
        if self.ipc:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(url[6:])
        else:
            host, port = url[6:].rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(10)
        self.socket.sendall(b"\0SP\0" + struct.pack(">HH", protocol, 0))
        assert self.read(8)[:4] == b"\0SP\0"

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the host has closed the connection")
            data += more
        return data

    def send(self, message):
        self.socket.sendall((b"\1" if self.ipc else b"") + struct.pack(">Q", len(message)) + message)

    def receive(self):
        if self.ipc:
            assert self.read(1) == b"\1"
        return self.read(struct.unpack(">Q", self.read(8))[0])


class Peer:
    def __init__(self, url):
        self.link = Link(url, 0x30)  # REQ
        self.request = 0
        self.session = self.epoch = 0
        self.upcoming = self.number = 1
        self.admins = 0
        self.kinds = {}  # of the frames that brought a template

    def ask(self, kind, count=0, sequence=0, payload=b""):
        """The frames of the answer."""
        self.request += 1
        number = struct.pack(">I", 0x80000000 | self.request)
        self.link.send(number + frame(kind, self.session, count, self.epoch, sequence, payload))
        while True:
            answer = self.link.receive()
            if answer[:4] == number:  # else one that nobody waits for any more
                break
        found = list(frames(answer[4:]))
        if found[0][2] == REFUSED:
            raise Refused(json.loads(found[0][6]))
        return found

    def hello(self, **words):
        self.session = self.epoch = 0
        welcome = json.loads(self.ask(HELLO, payload=json.dumps({"protocol": 1, **words}).encode())[0][6])
        self.session, self.epoch, self.upcoming = welcome["session"], int(welcome["epoch"]), int(welcome["next"])
        self.number = int(welcome["decided"]) + 1
        return welcome

    def next(self):
        """What came, in order; waits for a heartbeat at most."""
        came = []
        for one in self.ask(NEXT, sequence=self.upcoming):
            if one[2] not in (DATA, PACKED):
                continue
            for number, template, block, tail in messages(one):
                self.kinds.setdefault(template, set()).add(one[2])
                if number >= self.upcoming:
                    assert number == self.upcoming, "a gap"
                    came.append((number, template, block, tail))
                    self.upcoming += 1
        return came

    def decide(self, decisions):
        """The refusals: {number: code}."""
        payload = struct.pack("<HHHH", 128, DECISION, 4842, 256) + b"".join(decisions)
        answer = self.ask(DECIDE, len(decisions), self.number, payload)[0]
        assert answer[2] == ACK and answer[5] == self.number + len(decisions) - 1, answer
        self.number += len(decisions)
        return dict(struct.unpack_from("<Qi", answer[6], 16 * i) for i in range(answer[3]))

    def admin(self, **command):
        self.admins += 1
        return json.loads(self.ask(ADMIN, sequence=self.admins, payload=json.dumps(command).encode())[0][6])

    def bye(self):
        self.ask(BYE)
        self.link.socket.close()
