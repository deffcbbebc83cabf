"""A strategy on another machine, in Python's own library and nothing of Hadron: docs/wire.md by hand (SP over TLS, frames, a signed HELLO), so that
a test sees what the wire is, not what a client library makes of it.

    remote_peer.py HOST PORT DIRECTORY NAME SERVER

DIRECTORY has ca.crt, NAME.crt, NAME.key. Every line on standard output is a JSON object: what happened. Lines on standard input are commands:
"old" sends a decision that answers to the first tick of all, "decide" one that answers to the last; "end" says goodbye and sums up."""

import base64
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

REQ, REP = b"\0SP\0\0\x30\0\0", b"\0SP\0\0\x31\0\0"
DATA, HEARTBEAT, HELLO, NEXT, DECIDE, BYE, WELCOME, REFUSED, ACK = 1, 2, 16, 17, 18, 23, 32, 33, 34
FRAME = struct.Struct("<8sIHHQQII")  # topic, stream, kind, count, epoch, sequence, size, crc
HEADER = struct.Struct("<HHHH")  # block length, template, schema, version
TICK, DECISION, SCHEMA, VERSION = 1, 3, 4842, 256
STALE_S, GONE_S, QUIET_S = 0.3, 3.0, 0.05


def crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC = list(crc_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def tell(**what):
    print(json.dumps(what), flush=True)


class Gone(Exception):
    pass


class Peer:
    def __init__(self, host, port, directory, name, server):
        self.host, self.port, self.name, self.server = host, int(port), name, server
        self.key, self.certificate = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".crt")
        self.tls = ssl.create_default_context(cafile=os.path.join(directory, "ca.crt"))
        self.tls.load_cert_chain(self.certificate, self.key)
        self.wire = None
        self.request = 0
        self.session = self.epoch = self.decided = 0
        self.next = 1  # of the stream
        self.first_tick = self.last_tick = self.ticks = self.gaps = self.refused = self.acknowledged = self.joined = self.resumed = 0
        self.instrument = self.side = 0
        self.stale = False
        self.buffer = b""

    # ---- bytes

    def read(self, size, wait_s):
        end = time.monotonic() + wait_s
        while len(self.buffer) < size:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.wire.settimeout(left)
            try:
                more = self.wire.recv(65536)
            except (socket.timeout, TimeoutError):
                raise TimeoutError from None
            except OSError as error:
                raise Gone(str(error)) from None
            if not more:
                raise Gone("the host closed the connection")
            self.buffer += more
        whole, self.buffer = self.buffer[:size], self.buffer[size:]
        return whole

    def send(self, kind, sequence, payload=b"", count=0):
        head = FRAME.pack(b"session", self.session, kind, count, self.epoch, sequence, len(payload), 0)
        crc = crc32c(head + payload)
        frame = head[:-4] + struct.pack("<I", crc) + payload
        self.request += 1
        try:
            self.wire.settimeout(GONE_S)
            self.wire.sendall(struct.pack(">QI", len(frame) + 4, self.request | 0x80000000) + frame)
        except OSError as error:
            raise Gone(str(error)) from None

    def packet(self, wait_s):
        """The frames of the answer to the last request."""
        while True:
            head = self.read(12, wait_s)
            size, number = struct.unpack(">QI", head)
            body = self.read(size - 4, GONE_S)
            if number & 0x7FFFFFFF == self.request:
                break
        frames, at = [], 0
        while at < len(body):
            topic, stream, kind, count, epoch, sequence, length, _ = FRAME.unpack_from(body, at)
            frames.append((kind, count, stream, epoch, sequence, body[at + FRAME.size : at + FRAME.size + length]))
            at += FRAME.size + length
        return frames

    def ask(self, kind, sequence, payload=b"", count=0):
        self.send(kind, sequence, payload, count)
        return self.answer(GONE_S)

    def answer(self, wait_s):
        """Says when nothing was heard for too long, and waits on."""
        end = time.monotonic() + wait_s
        while True:
            try:
                frames = self.packet(STALE_S)
                if self.stale:
                    self.stale = False
                    tell(event="live")
                return frames
            except TimeoutError:
                if not self.stale:
                    self.stale = True
                    tell(event="stale")
                if time.monotonic() > end:
                    raise Gone("nothing was heard") from None

    # ---- the session

    def hello(self, nonce=None):
        words = {"protocol": 1, "name": self.name, "version": "1.0.0", "class": "trade"}
        session = epoch = ""
        if self.session:
            session, epoch = str(self.session), str(self.epoch)
            words["resume"] = {"session": self.session, "epoch": epoch, "next": str(self.next)}
        if nonce:
            text = f"hadron hello 1\nnonce: {nonce}\nserver: {self.server}\nname: {self.name}\nversion: 1.0.0\nclass: trade\nresume: {session or '-'} {epoch or '-'}\n"
            signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), capture_output=True, check=True).stdout
            with open(self.certificate, encoding="ascii") as file:
                words.update(certificate=file.read(), nonce=nonce, server=self.server, signature=base64.b64encode(signed).decode())
        kept = self.session, self.epoch
        self.session = self.epoch = 0
        frames = self.ask(HELLO, 0, json.dumps(words).encode())
        self.session, self.epoch = kept
        return frames[0]

    def connect(self):
        self.buffer = b""
        plain = socket.create_connection((self.host, self.port), timeout=GONE_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = self.tls.wrap_socket(plain, server_hostname=self.server)
        self.wire.sendall(REQ)
        if self.read(8, GONE_S) != REP:
            raise Gone("it speaks something else")
        kind, _, stream, epoch, sequence, payload = self.hello()
        said = json.loads(payload)
        if kind == REFUSED and said.get("nonce"):
            kind, _, stream, epoch, sequence, payload = self.hello(said["nonce"])
            said = json.loads(payload)
        if kind != WELCOME:
            raise Gone(said.get("text", "refused"))
        resumed = (stream, epoch) == (self.session, self.epoch)
        self.joined += 1
        self.resumed += resumed
        if not resumed:
            self.next = int(said["next"])
            self.decided = 0
        self.session, self.epoch = stream, epoch
        tell(event="joined", resumed=resumed, session=stream, next=sequence)

    def data(self, count, sequence, payload):
        if sequence != self.next:
            self.gaps += 1
            tell(event="gap", expected=self.next, found=sequence)
        self.next = sequence + count
        block, template, schema, _ = HEADER.unpack_from(payload)
        assert schema == SCHEMA, schema
        if template != TICK:
            return
        for at in range(HEADER.size, HEADER.size + count * block, block):
            number, instrument = struct.unpack_from("<QI", payload, at + 16)
            if number <= self.last_tick:
                tell(event="order", last=self.last_tick, found=number)
            self.first_tick = self.first_tick or number
            self.last_tick, self.instrument = number, instrument
            self.ticks += 1

    def decide(self, cause):
        self.side = -self.side or 1
        self.decided += 1
        body = struct.pack("<16sQQqqdddqqqQIIBBBBBBHq", b"", cause, 0, 0, 0, 0.0, 0.0, 1.0, 0, 0, self.side * 5 * 10**8, 0, self.instrument, 0, 2, 0, 0, 0, 0, 0, 0, 0)
        assert len(body) == 128
        kind, count, _, _, sequence, payload = self.ask(DECIDE, self.decided, HEADER.pack(128, DECISION, SCHEMA, VERSION) + body, 1)[0]
        codes = [struct.unpack_from("<Qi", payload, i * 16) for i in range(count)] if kind == ACK else []
        self.refused += len(codes)
        self.acknowledged += kind == ACK and not codes
        tell(event="decided", kind=kind, number=sequence, codes=codes)

    def turn(self):
        for kind, count, _, _, sequence, payload in self.ask(NEXT, self.next):
            if kind == DATA:
                self.data(count, sequence, payload)
            elif kind == REFUSED:
                raise Gone(json.loads(payload).get("text", ""))

    def command(self):
        if not select.select([sys.stdin], [], [], 0)[0]:
            return True
        word = sys.stdin.readline().strip()
        if word in ("old", "decide"):
            self.decide(self.first_tick if word == "old" else self.last_tick)
        return word not in ("end", "")

    def run(self):
        going = True
        while going:
            try:
                self.connect()
                while going:
                    self.turn()
                    going = self.command()
                self.ask(BYE, 0)
            except (Gone, OSError, TimeoutError) as error:
                tell(event="away", words=str(error))
                select.select([], [], [], QUIET_S)
        tell(event="end", ticks=self.ticks, gaps=self.gaps, joined=self.joined, resumed=self.resumed, acknowledged=self.acknowledged, refused=self.refused, first=self.first_tick, last=self.last_tick)


if __name__ == "__main__":
    Peer(*sys.argv[1:]).run()
