"""Promise: the starter in plain JavaScript, as the guide has it, joins a running host over ws://, trades on paper in order, and goes on where it was when the
connection is cut under it (its socket is destroyed) without a tick missed or a decision doubled.
Three hundred decisions at a stretch are all taken, in order; bars, order events and changed parameters come to their callbacks."""
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests/support"))
from host import BUILD, Host, until  # noqa: E402

ROOT = os.environ["HADRON_SOURCE_DIR"]
CONFIG = """return {
  mode = "paper", data_dir = "data", plugin_path = "%s", seed = 7,
  account = { cash = "1000000" },
  venues = { sim = { params = { flow = "random", symbols = { "ALDR", "BEXA" }, rate = 200, size = "100" } } },
  strategies = { my_strategy = { external = true }, cut = { external = true },
    whole = { plugin = here("whole.lua"), universe = { "ALDR" } } },
  bus = { sessions = { { url = "ws://127.0.0.1:%d/bus" } }, stale_after = "30s" },
}
"""
# Destroys its own socket now and then; says which sequences it saw, and how many decisions it made.
CUT = """const { Session, Kind, quantity } = require(process.argv[2]);
let seen = 0, last = 0n, wrong = 0, cuts = 0, made = 0;
const s = new Session({ url: process.argv[3], name: "cut", version: "1.0.0", WebSocket: globalThis.WebSocket || require("ws"), on: {
  tick(t) {
    if (seen >= 2000) return;
    if (t.sequence <= last) wrong++;
    last = t.sequence;
    if (++seen % 100 === 0) { s.target(t.instrument, BigInt(seen % 200 ? 3 : -3) * quantity("1")); made++; }
    if (seen % 333 === 0) { cuts++; (s.socket.terminate || s.socket.close).call(s.socket); }
    if (seen === 2000) { console.log(JSON.stringify({ seen, wrong, cuts, made, session: s.session })); setTimeout(() => s.close(), 2000); }
  },
  log(text) { console.error(text); },
  lost() { wrong++; } } });
s.open();
"""

CARD = """-- hadron: strategy whole 1.0.0
-- requires: hadron.strategy/1 hadron.external/1
return hadron.strategy { params = { length = { type = "integer", default = 20, min = 2, live = true } }, bars = { { kind = "time", interval = "1s" } } }
"""
# Everything that a stream brings, and more decisions at once than a frame holds and the host has patience for.
ALL = """const { Session, quantity } = require(process.argv[2]);
const got = { bars: 0, orders: 0, refused: 0, params: null, burst: 0 };
const s = new Session({ url: process.argv[3], name: "whole", version: "1.0.0", params: { length: "20" }, WebSocket: globalThis.WebSocket || require("ws"), on: {
  tick(t) {
    if (!got.burst) for (; got.burst < 300; got.burst++) s.target(t.instrument, BigInt(got.burst % 2 + 1) * quantity("1"));
    if (!s.unacknowledged.length && !got.taken) { got.taken = true; console.error("taken"); }
    if (got.taken && got.bars && got.orders && got.params && !got.told) { got.told = true; console.log(JSON.stringify({ ...got, unknown: s.unknown })); s.close(); }
  },
  bar(b) { got.bars += b.high >= b.low && b.interval === 1000000000n; },
  order(o) { got.orders += o.client_order_id.length === 24 && o.quantity > 0n; },
  params(p) { got.params = p; },
  refused() { got.refused++; },
  log(text) { console.error(text); } } });
s.open();
"""


def everything(host, node, url, environment):
    done = subprocess.Popen([node, host.path("whole.js"), f"{ROOT}/sdk/javascript/hadron.js", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    first = done.stderr.readline()
    assert first == "taken\n", first
    host.ask("set", "strategies.whole.params.length=30")
    out, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    told = json.loads(out)
    assert told["params"] == {"length": "30"} and told["refused"] == 0 and told["unknown"] == 0, told
    assert host.strategies("whole")[0]["placed"]["decisions"] == 300, host.strategies("whole")


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    node = shutil.which("node")
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
    if not node or subprocess.run([node, "-e", "globalThis.WebSocket || require('ws')"], env=environment, capture_output=True, check=False).returncode:
        print("skipped: node with a WebSocket is not there (Debian: nodejs, node-ws)")
        return 77
    with Host({}) as host:
        port = free_port()
        url = f"ws://127.0.0.1:{port}/bus"
        host.write("host.lua", CONFIG % (f"{BUILD}/plugins", port))
        host.write("cut.js", CUT)
        host.write("whole.js", ALL)
        host.write("whole.lua", CARD)
        # NNG 1.5 loses the frame of an answer over ws:// whose peer hangs up meanwhile: 216 bytes, its own.
        host.write("leaks", "leak:libnng.so\n")
        host.start(environment={"LSAN_OPTIONS": "print_suppressions=0:suppressions=" + host.path("leaks")})
        with open(host.path("client.log"), "wb") as log:
            client = subprocess.Popen([node, f"{ROOT}/sdk/template/client.js", url], stdout=log, stderr=subprocess.STDOUT, env=environment)
        until("it trades", lambda: host.ask("status")["executions"] > 20 or client.poll() is not None)
        client.send_signal(signal.SIGINT)
        assert client.wait() == 0, host.text("client.log")
        text = host.text("client.log")
        assert ": ALDR BEXA" in text and "bought" in text and "sold" in text and "refused" not in text, text

        before = host.ask("status")["ticks"]
        host.ask("disable", "cut")  # what is not wanted now comes again until it is
        done = subprocess.Popen([node, host.path("cut.js"), f"{ROOT}/sdk/javascript/hadron.js", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        first = done.stderr.readline()
        assert "HADRON_ERR_STATE" in first, first
        host.ask("enable", "cut")
        out, errors = done.communicate(timeout=200)
        assert done.returncode == 0, errors
        told = json.loads(out)
        assert told["wrong"] == 0 and told["cuts"] >= 5 and told["made"] == 20, told
        until("ticks", lambda: host.ask("status")["ticks"] >= before + 2000)
        everything(host, node, url, environment)
        host.stop()
        rows = [json.loads(line) for line in host.command("journal", "dump", "data/journal", "--kind", "decision", "--json").stdout.splitlines()]
        own = [r for r in rows if int(r["arm"]) == 1]
        assert len(own) == 20, (len(own), told)
        # Every tick between its first and its last: the cause of a decision lies a hundred ticks behind the one before.
        causes = [int(r["cause"]) for r in own]
        assert all(b - a == 100 for a, b in zip(causes, causes[1:])), causes
    print(f"over ws: {told}")
    return 0


sys.exit(main())
