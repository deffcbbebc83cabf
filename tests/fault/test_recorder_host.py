"""Promise: a database that hangs, from the first moment on, does not touch the host: it starts, trades, shows how far behind the recorder
is, alerts a person, and ends in bounded time; a database that is no longer what it was does the same, and is written again by itself once
it is mended.

How: real hosts with the simulated exchange; a listening socket that accepts and never says a word stands for the hanging server, SQLite
for the one that changes. Waiting is asking again until an answer comes."""

import os
import socket
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.environ["HADRON_SOURCE_DIR"], "tests"))
from support.host import Host, until  # noqa: E402

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, registry = { enabled = false },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 2, rate = 500, seed = 7 } } },
  strategies = { cross = { plugin = "zero_cross" } },
  services = { recorder = { params = { url = "%s", connect_timeout = "500ms", request_timeout = "500ms", alert_after = "200ms", patience = "1s" } } },
}
"""


def trades_on(host):
    before = host.ask("status")["executions"]
    until("it trades on", lambda: host.ask("status")["executions"] > before)


def hangs():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        with Host({"host.lua": CONFIG % f"postgresql://hadron@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable"}) as host:
            host.start("--quiet")
            until("a person is told", lambda: "service recorder" in (host.ask("status").get("alert", "")))
            trades_on(host)
            recorder = host.ask("status")["recorder"]
            assert not recorder["connected"] and recorder["lag_bytes"] > 0 and recorder["lag_ms"] > 0, recorder
            host.stop()
            assert "RECORDER_BEHIND" in host.text("err"), host.text("err")
            assert any(name.startswith("cursor-recorder") for name in os.listdir(host.path("data", "journal"))), "the journal keeps nothing for it"


def changes():
    with Host({"host.lua": CONFIG % "sqlite:data/rows.sqlite"}) as host:
        host.start("--quiet")
        until("rows are written", lambda: host.ask("status")["recorder"]["rows_per_second"] > 0)
        database = sqlite3.connect(host.path("data", "rows.sqlite"), timeout=60, isolation_level=None)
        database.execute("ALTER TABLE hadron_ticks RENAME COLUMN sequence TO sequences")
        until("it is parked", lambda: host.ask("status")["recorder"]["parked"])
        until("a person is told", lambda: "service recorder" in (host.ask("status").get("alert", "")))
        assert "sequence" in host.ask("status")["alert"]
        trades_on(host)
        database.execute("ALTER TABLE hadron_ticks RENAME COLUMN sequences TO sequence")
        until("it goes on", lambda: not host.ask("status")["recorder"]["parked"])
        host.stop()
        count, places = database.execute("SELECT count(*), count(DISTINCT position) FROM hadron_ticks").fetchone()
        database.close()
        told = host.command("journal", "export", "data/journal", "-", "--kind", "tick").stdout.splitlines()[1:]
        assert count == places == len(told) > 0, (count, places, len(told))


def main():
    hangs()
    changes()
    return 0


if __name__ == "__main__":
    sys.exit(main())
