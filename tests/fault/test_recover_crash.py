"""Promise: a host that dies by SIGKILL, at any named point on the way of an order or in the middle of its flow, goes on at the next start as if it
had only paused: no order is sent twice, no execution counts twice, every allocation is in the books and nothing else is, the kill switch stays
on, and the strategies go on from what they knew.

A real host on a paper market of its own is killed and started again on the same directory; what its journal says is held against what the next
one answers. The journal is read by its documentation alone."""

import os
import random
import re
import signal
import sys

SOURCE = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from host import Host, until  # noqa: E402
import journal_bytes as journal  # noqa: E402

CONFIG = """return {
  mode = "paper", account = { cash = 1000000 }, gateway = { orders_max = 65536 }, registry = { enabled = false }, journal = { segment = "4MiB" },
  venues = { sim = { plugin = "sim", params = { flow = "random", instruments = 3, rate = 400 } } },
  strategies = {
    cross = { plugin = "zero_cross", params = { length = 2, band = 0, size = 5 } },
    lua = { plugin = "zero_cross_lua", params = { length = 3, band = 0, size = 2 } },
    maker = { plugin = "market_maker", universe = { "SIM00" } },
  },
}
"""
BUY, SHADOW, EXTERNAL = 1, 128, 2


def points():
    with open(os.path.join(SOURCE, "host/base/crash_point.c"), encoding="utf-8") as file:
        return [name for name in re.findall(r'"([a-z_.]+)"', file.read()) if name.startswith(("order.", "recover.", "snapshot."))]


def audit(host):
    """What the journal says: quantities by instrument name. No order and no execution may be in it twice."""
    orders, executions, books, names, recovered = set(), set(), {}, {}, []
    for template, r in journal.read(host.path("data", "journal")):
        if template == journal.INSTRUMENT:
            assert names.setdefault(r["instrument"], r["name"]) == r["name"], r
        elif template == journal.ORDER and not r["flags"] & SHADOW:
            assert r["client_order_id"] not in orders, r
            orders.add(r["client_order_id"])
        elif template == journal.EXECUTION and not r["flags"] & (SHADOW | 1):
            key = r["venue"], r["execution_id"]
            assert key not in executions, r
            executions.add(key)
        elif template == journal.ALLOCATION and not r["flags"] & SHADOW:
            signed = r["quantity"] if (r["side"] == BUY) != bool(r["flags"] & 1) else -r["quantity"]
            books[r["instrument"]] = books.get(r["instrument"], 0) + signed
        elif template == journal.RECOVERED:
            recovered.append(r)
    return {names[i]: q for i, q in books.items() if q}, recovered, len(orders), len(executions)


def held(host):
    return {row["instrument"]: round(row["quantity"] * 1e8) for row in host.ask("positions")["positions"] if row["quantity"]}


def stays(host, before):
    """The next start has the books of the journal."""
    status = host.ask("status")
    assert status["recovered"]["differences"] == 0, status["recovered"]
    recovered = status["recovered"]
    assert recovered["records"] > 0 or recovered["snapshot"] > 0 or not before, recovered  # a snapshot may stand for all there is
    return status


def dies_at(point):
    with Host({"host.lua": CONFIG}) as host:
        first = {"HADRON_CRASH_AT": f"{point}:{1 if point.startswith('recover') else random.randint(1, 60)}"}
        if point.startswith("recover"):
            host.start()
            until("it trades", lambda: host.ask("status")["executions"] > 20)
            host.kill()
        flushes = point == "order.flushed" or (point.startswith("order.") and random.randint(0, 1))  # orders of a round leave together
        host.launch(*(["--set", "journal.fsync=true"] if flushes else []), environment=first)
        until(f"it dies at {point}", host.died)
        assert host.process.returncode == -signal.SIGKILL, (point, host.process.returncode, host.text("err")[-2000:])
        orders = audit(host)[2]
        host.start()
        stays(host, orders)
        until("it trades again", lambda: host.ask("status")["executions"] > 5)
        out = host.stop()
        assert "add up" in out, out
        audit(host)


def lives(rounds):
    with Host({"host.lua": CONFIG}) as host:
        executions = 0
        for n in range(rounds):
            host.start()
            until("it trades", lambda: host.ask("status")["executions"] > executions + 3)
            if n == rounds // 2:
                assert host.command("kill").returncode == 0
                host.kill()
                host.start()
                assert host.ask("status")["killed"] is True
                assert held(host) == audit(host)[0]  # nothing moves, so that the two can be compared
                assert host.command("release").returncode == 0
                until("it trades", lambda: host.ask("status")["executions"] > executions + 8)
            host.kill()
            _, recovered, _, now = audit(host)
            assert now > executions and len(recovered) >= n + 1, (now, executions, len(recovered))
            executions = now
        host.start()
        status = stays(host, executions)
        assert status["recovered"]["records"] > 100
        assert "add up" in host.stop()


def snapshot_files(host):
    return sorted(name for name in os.listdir(host.path("data", "journal")) if name.startswith("snapshot-") and name.endswith(".hds"))


def snapshots():
    """A start begins with the newest good snapshot, passes a damaged one over, and needs no segment that an older one stands for."""
    config = CONFIG.replace('    maker = { plugin = "market_maker", universe = { "SIM00" } },\n', "").replace('segment = "4MiB"', 'segment = "256KiB", keep = "512KiB", snapshot_every = 1500')
    assert "maker" not in config and "snapshot_every" in config
    with Host({"host.lua": config}) as host:
        host.start()
        until("two snapshots", lambda: host.ask("status")["snapshot"]["count"] >= 3)
        status = host.ask("status")["snapshot"]
        assert status["failed"] == 0 and 0 < status["pause_ns"] <= status["pause_ns_max"], status
        host.kill()
        files = snapshot_files(host)
        assert len(files) == 2, files
        host.start()
        recovered = stays(host, 1)["recovered"]
        assert recovered["snapshot"] == int(files[1][9:25], 16), (recovered, files)
        assert host.command("kill").returncode == 0
        books = held(host)
        host.kill()
        files = snapshot_files(host)
        with open(host.path("data", "journal", files[-1]), "r+b") as file:
            file.seek(200)
            byte = file.read(1)
            file.seek(200)
            file.write(bytes([byte[0] ^ 1]))
        host.start()
        recovered = stays(host, 1)["recovered"]
        assert recovered["snapshot"] == int(files[0][9:25], 16), (recovered, files)
        assert held(host) == books and host.ask("status")["killed"] is True
        assert host.command("release").returncode == 0
        until("it trades, and old segments go", lambda: not os.path.exists(host.path("data", "journal", "journal-0000000000000001.hdj")))
        assert host.command("kill").returncode == 0
        books = held(host)
        host.stop()  # the last snapshot stands for everything
        host.start()
        recovered = stays(host, 1)["recovered"]
        assert recovered["snapshot"] > 0 and recovered["records"] < 50, recovered
        assert held(host) == books
        host.stop()


def snapshot_dies_at(point):
    config = CONFIG.replace('    maker = { plugin = "market_maker", universe = { "SIM00" } },\n', "").replace('segment = "4MiB"', 'segment = "4MiB", snapshot_every = 800')
    with Host({"host.lua": config}) as host:
        host.launch(environment={"HADRON_CRASH_AT": f"{point}:{random.randint(1, 3)}"})
        until(f"it dies at {point}", host.died)
        assert host.process.returncode == -signal.SIGKILL, host.process.returncode
        host.start()
        stays(host, 1)
        until("it trades again", lambda: host.ask("status")["executions"] > 5)
        host.stop()
        audit(host)


def main():
    seed = int(os.environ.get("HADRON_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"HADRON_TEST_SEED={seed}")
    random.seed(seed)
    for point in points():
        (snapshot_dies_at if point.startswith("snapshot.") else dies_at)(point)
    snapshots()
    lives(5)


if __name__ == "__main__":
    main()
