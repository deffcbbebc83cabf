"""Promise: a feed over TLS publishes to whom its authorities let in, and to nobody else: without a certificate, or with one of too low a role for events,
there is no connection. Whoever is revoked while it listens is cut off within seconds and not let in again; the others come back.
How: the built program, and subscribers by hand (SP over TLS, Python's own library)."""

import os
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import HADRON, Host, until

SUB = b"\0SP\0\0\x21\0\0"
CONFIG = """return {
  mode = "paper", data_dir = "data", account = { cash = 1000000 },
  bus = { feeds = {
    { url = "tls+tcp://127.0.0.1:%d", publish = "ticks", certificate = "ca/host-a.crt", key = "ca/host-a.key", ca = "ca/ca.crt", crl = "ca/ca.crl" },
    { url = "tls+tcp://127.0.0.1:%d", publish = "events", certificate = "ca/host-a.crt", key = "ca/host-a.key", ca = "ca/ca.crt", crl = "ca/ca.crl" },
  } },
  venues = { sim = { params = { flow = "random", symbols = { "ALDR" }, rate = 100 } } },
}
"""


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Subscriber:
    def __init__(self, host, number, name):
        context = ssl.create_default_context(cafile=host.path("ca", "ca.crt"))
        if name:
            context.load_cert_chain(host.path("ca", name + ".crt"), host.path("ca", name + ".key"))
        self.wire = context.wrap_socket(socket.create_connection(("127.0.0.1", number), 10), server_hostname="host-a")
        self.wire.settimeout(10)
        self.wire.sendall(SUB)

    def hears(self):
        """True once something was published; False: the connection ended."""
        try:
            heard = self.wire.recv(65536)
            while len(heard) == 8:  # the greeting, and a length: each is a record of its own
                heard = self.wire.recv(65536)
            return len(heard) > 0
        except (ssl.SSLError, ConnectionError):
            return False

    def end(self):
        self.wire.close()


def let_in(host, number, name):
    try:
        subscriber = Subscriber(host, number, name)
    except (ssl.SSLError, ConnectionError):
        return None
    if subscriber.hears():
        return subscriber
    subscriber.end()
    return None


def cert(host, *words):
    subprocess.run([HADRON, "cert", *words], cwd=host.directory, check=True, stdout=subprocess.DEVNULL)


def main():
    ticks, events = port(), port()
    with Host({"host.lua": CONFIG % (ticks, events)}) as host:
        cert(host, "ca", "ca")
        cert(host, "issue", "ca", "host-a", "--role", "read", "--host", "127.0.0.1")
        for name, role in (("reader", "read"), ("other", "read"), ("boss", "admin")):
            cert(host, "issue", "ca", name, "--role", role)
        host.start()
        assert not let_in(host, ticks, None) and not let_in(host, events, None)
        assert not let_in(host, events, "reader")
        for number, name in ((ticks, "boss"), (events, "boss")):
            let_in(host, number, name).end()
        reader, other = let_in(host, ticks, "reader"), let_in(host, ticks, "other")
        assert reader and other
        cert(host, "revoke", "ca", "reader")
        until("the revoked one is cut off", lambda: not reader.hears())
        until("the other one is let in again", lambda: let_in(host, ticks, "other"))
        assert not let_in(host, ticks, "reader")
        reader.end()
        other.end()
        host.stop()


main()
