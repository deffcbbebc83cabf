"""A host of a few lines, written from docs/wire.md, in a thread of the test: takes connections at an ipc address one after the other, and asks the test for
every answer.

    host = ScriptedHost(path, answer)      # answer(frame): the packet; None: no answer; HANG_UP: the connection ends
    host.start()

What `answer` raises is kept in `fault`, and ends the host."""

import socket
import struct
import threading

from support import wire

HANG_UP = object()


class ScriptedHost(threading.Thread):
    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.answer, self.connections, self.fault, self.ended = answer, 0, None, False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)

    def serve(self, link):
        def read(size):
            data = b""
            while len(data) < size:
                more = link.recv(size - len(data))
                if not more:
                    raise ConnectionError
                data += more
            return data

        link.sendall(b"\0SP\0\0\x31\0\0")
        read(8)
        answered = {}  # by the request's number: one that is asked again, because its answer was late, is not another one
        while True:
            assert read(1) == b"\1"
            request = read(struct.unpack(">Q", read(8))[0])
            (head,) = wire.frames(request[4:])
            packet = answered[request[:4]] if request[:4] in answered else self.answer(head)
            if packet is HANG_UP:
                return
            answered[request[:4]] = packet
            if packet is not None:
                link.sendall(b"\1" + struct.pack(">Q", 4 + len(packet)) + request[:4] + packet)

    def run(self):
        try:
            while not self.ended:
                link, _ = self.listener.accept()
                link.settimeout(60)
                self.connections += 1
                self.link = link
                try:
                    self.serve(link)
                except ConnectionError:
                    pass
                link.close()
        except Exception as fault:  # noqa: BLE001: told by the test
            self.fault = fault
