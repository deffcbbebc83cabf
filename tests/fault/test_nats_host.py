"""Promise: every journal record is in the JetStream exactly once and in the journal's order, byte for byte, whatever is killed: the NATS
server and the host are killed without warning, alternately and together, again and again, while the market runs.

How: real hosts with the simulated exchange, a real nats-server of Debian in a directory of its own; nothing waits for time to pass, each
kill comes after something was seen to move. The stream is read by the test's own client, the journal by its documented format; the
duplicate window is far shorter than the outages, so nothing rests on it. The seed is printed; HADRON_SEED repeats it."""

import os
import random
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support.host import Host, together, until  # noqa: E402
from support.journal_bytes import messages  # noqa: E402
from support.nats import PROGRAM, Server  # noqa: E402

ROUNDS = 12
CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false },
  venues = { sim = { plugin = "sim", params = { flow = "random", symbols = { "AAPL", "BRK.B", "EUR/USD" }, rate = 800, seed = 7 } } },
  strategies = { cross = { plugin = "zero_cross" } },
  services = { bridge = { plugin = "nats_out", params = { servers = "%s", create = true, duplicate_window = "100ms",
    connect_timeout = "2s", request_timeout = "2s", patience = "%s" } } },
}
"""


def compare(host, server, stream="HADRON"):
    """Each record of the journal is a message of the stream, once, in order."""
    with server.client() as client:
        sent = client.read(stream)
    written = list(messages(host.path("data", "journal")))
    assert [m.sequence for m in sent] == list(range(1, len(sent) + 1)), "the stream has holes"
    ids = [m.headers["Nats-Msg-Id"] for m in sent]
    assert len(set(ids)) == len(ids), "a record is there twice"
    assert len(sent) == len(written), (len(sent), len(written))
    for message, (journal, sequence, position, behind, time_ns, payload) in zip(sent, written):
        expected = (f"{journal.hex()}-{position}", str(sequence), str(behind), str(time_ns))
        found = tuple(message.headers[name] for name in ("Nats-Msg-Id", "Hadron-Sequence", "Hadron-Next", "Hadron-Time"))
        assert found == expected, (found, expected)
        assert message.payload == payload, (sequence, message.payload, payload)
    return sent


def subjects(sent):
    names = {m.subject for m in sent}
    assert {"hadron.session", "hadron.instrument.AAPL", "hadron.tick.BRK%2EB", "hadron.tick.EUR/USD"} <= names, names
    assert not [name for name in names if "._" in name and not name.endswith("._")], names
    assert all(m.headers["Hadron-Session"] != "-" for m in sent[1:])


def last_sequence(server):
    with server.client() as client:
        try:
            return client.info("HADRON")["state"]["last_seq"]
        except AssertionError:
            return 0


def moves(server):
    before = last_sequence(server)
    until("the stream grows", lambda: last_sequence(server) > before)


def grows(host):
    size = host.ask("status")["ticks"]
    until("the market runs on", lambda: host.ask("status")["ticks"] > size + 200)


def killed(choose):
    with Server() as server, Host({"host.lua": CONFIG % (server.url, "60s")}) as host:
        server.start()
        host.start("--quiet")
        for number in range(ROUNDS):
            moves(server)
            what = choose.choice(("server", "host", "both"))
            if what in ("server", "both"):
                server.kill()
                if what == "server" and choose.random() < 0.7:
                    grows(host)
            if what in ("host", "both"):
                host.kill()
            if what == "both" and choose.random() < 0.5:
                host.start("--quiet")
                grows(host)
                host.kill() # a whole life without a server
            if server.process is None:
                server.start()
            if host.died():
                host.start("--quiet")
            print("round", number, what, last_sequence(server))
        moves(server)
        host.stop()
        sent = compare(host, server)
        subjects(sent)
        print(len(sent), "records")


def absent_at_the_start_and_at_the_end():
    with Server() as server, Host({"host.lua": CONFIG % (server.url, "300ms")}) as host:
        host.start("--quiet")
        grows(host)
        bridge = host.ask("status")["bridge"]
        assert not bridge["connected"] and bridge["lag_bytes"] > 0, bridge
        host.stop() # bounded by patience, and its length by Host.stop
        assert "NATS_BEHIND" in host.text("err"), host.text("err")
        host.write("host.lua", CONFIG % (server.url, "60s"))
        server.start()
        host.start("--quiet")
        moves(server)
        host.stop()
        compare(host, server)


def frozen():
    """A server that stops to answer without a word: the host trades on, and ends in bounded time."""
    with Server() as server, Host({"host.lua": CONFIG % (server.url, "1s")}) as host:
        server.start()
        host.start("--quiet")
        moves(server)
        server.process.send_signal(signal.SIGSTOP)
        grows(host)
        host.stop()
        server.process.send_signal(signal.SIGCONT)
        host.write("host.lua", CONFIG % (server.url, "60s"))
        host.start("--quiet")
        moves(server)
        host.stop()
        compare(host, server)


def certificates(directory):
    """A CA, and a certificate of it for localhost that serves both ends."""
    def run(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca")
    run("req", *key, "-keyout", "end.key", "-out", "end.csr", "-subj", "/CN=localhost")
    with open(os.path.join(directory, "names"), "w", encoding="utf-8") as file:
        file.write("subjectAltName=DNS:localhost")
    run("x509", "-req", "-in", "end.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "end.crt", "-days", "2", "-extfile", "names")


def encrypted():
    """TLS with certificates on both sides; what does not fit parks, in words that say what to do, and nothing is sent in the clear."""
    with Server() as server, Host({}) as host:
        here = server.directory
        certificates(here)
        server.configure(f'tls {{ cert_file: "{here}/end.crt", key_file: "{here}/end.key", ca_file: "{here}/ca.crt", verify: true }}')
        server.start()
        ca, ours = f'tls_ca_file = "{here}/ca.crt"', f'tls_certificate_file = "{here}/end.crt", tls_key_file = "{here}/end.key"'
        ways = ((f'servers = "tls://localhost:{server.port}", {ours}, {ca}', None), (f'servers = "tls://localhost:{server.port}", {ours}', "correct the tls_ parameters"),
                (f'servers = "tls://127.0.0.1:{server.port}", {ours}, {ca}', "correct the tls_ parameters"), (f'servers = "nats://localhost:{server.port}"', "write tls:// into servers"))
        for number, (way, words) in enumerate(ways):
            host.write("host.lua", (CONFIG % ("", "1s")).replace('servers = ""', way))
            host.start("--quiet")
            if words:
                until("a person is told", lambda: "service bridge" in host.ask("status").get("alert", ""))
                assert words in host.text("err"), (number, host.text("err"))
            else:
                until("it is connected, and all is in the stream", lambda: host.ask("status")["bridge"]["connected"] and host.ask("status")["bridge"]["records_per_second"] > 0)
            host.stop()


def main():
    if not os.path.exists(PROGRAM):
        print("skipped: nats-server is not installed (package nats-server)")
        return 77
    seed = int(os.environ.get("HADRON_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print("seed", seed)
    together((killed, random.Random(seed)), absent_at_the_start_and_at_the_end, frozen, *([encrypted] if shutil.which("openssl") else []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
