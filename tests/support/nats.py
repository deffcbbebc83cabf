"""A private nats-server, and as much of a client as reading a whole stream takes: the protocol is text, and a test that must not trust
libnats speaks it itself.

    with Server() as server:
        server.start()
        messages = server.read("HADRON")
        server.kill()"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from support.host import WAIT_S, until

PROGRAM = shutil.which("nats-server") or "/usr/sbin/nats-server"


class Message:
    def __init__(self, subject, reply, headers, payload):
        self.subject, self.reply, self.headers, self.payload = subject, reply, headers, payload


class Client:
    def __init__(self, port, user=None, password=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"INFO "), "no server"
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", "version": "1"}
        if user:
            options.update(user=user, pass_=password)
            options["pass"] = options.pop("pass_")
        self.send(f"CONNECT {json.dumps(options)}")
        self.send("PING")
        assert self.line() == b"PONG"
        self.waiting = [] # messages that came while an answer was waited for
        self.inbox = f"_INBOX.{os.getpid()}.{id(self)}"
        self.send(f"SUB {self.inbox}.* 1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, line, payload=None):
        self.socket.sendall(line.encode() + b"\r\n" + (b"" if payload is None else payload + b"\r\n"))

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        return line[:-2]

    def next(self):
        """The next message; answers pings on the way."""
        while True:
            line = self.line()
            words = line.decode().split()
            if words[0] == "PING":
                self.send("PONG")
            elif words[0] in ("MSG", "HMSG"):
                return self.message(words)
            elif words[0] == "-ERR":
                raise ConnectionError(line.decode())

    def message(self, words):
        headed = words[0] == "HMSG"
        sizes = [int(word) for word in words[-2 if headed else -1:]]
        places = words[1:len(words) - len(sizes)]
        body = self.file.read(sizes[-1] + 2)[:-2]
        head = sizes[0] if headed else 0
        headers = {}
        for line in body[:head].decode().split("\r\n")[1:]:
            if ":" in line:
                name, value = line.split(":", 1)
                headers[name] = value.strip()
        return Message(places[0], places[2] if len(places) > 2 else None, headers, body[head:])

    def publish(self, subject, payload=b"", reply=""):
        self.send(f"PUB {subject} {reply} {len(payload)}", payload)

    def ask(self, subject, value=None):
        self.publish(subject, b"" if value is None else json.dumps(value).encode(), f"{self.inbox}.answer")
        while True:
            answer = self.next()
            if answer.subject.endswith(".answer"):
                return json.loads(answer.payload or b"{}")
            self.waiting.append(answer)

    def api(self, what, value=None):
        answer = self.ask(f"$JS.API.{what}", value)
        assert "error" not in answer, (what, answer)
        return answer

    def info(self, stream):
        return self.api(f"STREAM.INFO.{stream}")

    def read(self, stream):
        """All messages of a stream, in its order, with their sequence in it."""
        count = self.info(stream)["state"]["messages"]
        messages = []
        if count:
            consumer = self.api(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": {"deliver_policy": "all", "ack_policy": "none"}})["name"]
            self.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", json.dumps({"batch": count}).encode(), f"{self.inbox}.all")
        while len(messages) < count:
            message = self.waiting.pop(0) if self.waiting else self.next()
            if message.reply is None or not message.reply.startswith("$JS.ACK."):
                continue
            message.sequence = int(message.reply.split(".")[5])
            messages.append(message)
        return messages


class Server:
    def __init__(self, settings=""):
        self.directory = tempfile.mkdtemp(prefix="nats", dir="/tmp")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self.process = None
        self.configure(settings)

    def configure(self, settings):
        with open(os.path.join(self.directory, "server.conf"), "w", encoding="utf-8") as file:
            file.write(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.directory}/store" }}\n{settings}\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "-c", os.path.join(self.directory, "server.conf")], stdout=log, stderr=log)
        until("the NATS server listens", self.listens)
        return self

    def listens(self):
        assert self.process.poll() is None, open(os.path.join(self.directory, "log"), encoding="utf-8").read()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False

    def kill(self, number=signal.SIGKILL):
        if self.process:
            self.process.send_signal(number)
            self.process.wait()
        self.process = None

    def client(self, *arguments):
        return Client(self.port, *arguments)
