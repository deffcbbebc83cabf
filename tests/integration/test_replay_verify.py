#!/usr/bin/env python3
"""Promise: a recorded session can be proven, compared and explained from the command line. `hadron replay JOURNAL --verify` says that a
backtest's journal and one of a host that was started twice, on one thread and with threads, come out the same (exit 0); with another version in
its place it names the first other decision (exit 7); --with shows what that version would have done; `hadron explain` tells the chain of every
kind of order, filled, denied and replaced, in lines of at most a hundred columns; the numbers of each check that it worked out are those that the
journal has where one failed; what an order that was sent cost adds up, stage by stage, and a backtest writes nothing of that. Where orders wait for the disk together the same holds. How: the real program on the demo's configuration; nothing is compared with wall times."""
import json
import os
import subprocess
import sys
import tempfile

SOURCE, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
HADRON = os.path.join(BUILD, "hadron")
DEMO = os.path.join(SOURCE, "configs", "demo.lua")


def hadron(*words, code=0):
    done = subprocess.run([HADRON, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code, f"hadron {' '.join(words)}: expected exit {code}, found {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def record(data, *sets):
    hadron("run", DEMO, "--duration", "3s", "--quiet", "--set", f"data_dir={data}", "--set", "risk.order_rate_max=8", "--set", "services.recorder.enabled=false", "--set", "venues.sim.params.rate=300",
           "--set", "strategies.zero_cross_lua.params.length=2", "--set", "strategies.zero_cross_lua.params.band=0", *sets)


def verify(data):
    result = json.loads(hadron("replay", data, "--verify", "--json"))
    assert result["same"] and result["skipped"] == 0 and result["difference"] is None, result
    assert result["ticks"] > 500 and result["compared"]["decision"] > 5, result
    return result


def records(data, kind):
    return [json.loads(line) for line in hadron("journal", "dump", data, "--kind", kind, "--json").splitlines()]


def explains(data, wanted, session):
    text = hadron("explain", wanted, "--journal", data)
    for line in text.splitlines():
        assert len(line) <= 100, f"{len(line)} columns: {line}"
    told = json.loads(hadron("explain", wanted, "--journal", data, "--json"))
    assert told["session"] == session, told["session"]
    assert told["checks_known"], told["checks_unknown_because"]
    kinds = [row["message"] for row in told["chain"]]
    for kind in ("decision", "opportunity", "intent"):
        assert kind in kinds, (kind, kinds)
    assert told["tick"] is not None and told["market"] is not None
    return told, kinds, text


def orders(data, session):
    executions, denials = records(data, "execution"), [e for e in records(data, "order_event") if e["change"] == "DENY"]
    assert executions and denials, "the run shows nothing: no fills, or no denials"
    last = [e for e in executions if "client_order_id" in e][-1]
    told, kinds, text = explains(data, last["client_order_id"], session)
    assert "execution" in kinds and "allocation" in kinds and told["order"] == last["client_order_id"], kinds
    assert all(row["outcome"] in ("passed", "no_limit") for row in told["checks"]) and "position_max" in text
    denied = denials[-1]
    told, kinds, text = explains(data, denied["trace"], session)
    failed = [row for row in told["checks"] if row["outcome"] == "failed"]
    if failed:  # of several intents of one trace the first is explained
        assert str(failed[0]["actual"]) in {str(e["actual"]) for e in denials} and "FAILED" in text, failed
    hadron("explain", "ffffffffffff", "--journal", data, code=4)


STAGES = ("normalize", "lane", "engine", "ring", "merge", "risk", "gateway", "flush", "send")


def costs(data, threads):
    rows = records(data, "cost")
    assert len(rows) > 5, "orders were sent, and nothing says what they cost"
    sent = {e["client_order_id"] for e in records(data, "order_event") if e["change"] == "SEND"}
    assert {row["client_order_id"] for row in rows} <= sent
    for row in rows:  # each is rounded to a ns by itself
        assert abs(row["total_ns"] - sum(row[s + "_ns"] for s in STAGES)) <= len(STAGES), row
    last = [row for row in rows if row["engine_ns"]][-1]  # that a tick has led to, and not the end of an order that was in its way
    told = json.loads(hadron("explain", last["client_order_id"], "--journal", data, "--json"))
    mine = [s for s in told["stages_ns"] if s["order"] == last["client_order_id"]]
    assert len(mine) == 1 and mine[0]["total"] == last["total_ns"], (mine, last)
    assert mine[0]["engine"] == last["engine_ns"] and mine[0]["gateway"] == last["gateway_ns"] and told["cost_ns"]["decision_to_order"] > 0, (told["cost_ns"], last)
    assert (last["lane_ns"] + last["ring_ns"] > 0) == threads, last


def replaced(data):
    hadron("run", DEMO, "--duration", "2s", "--quiet", "--set", f"data_dir={data}", "--set", "services.recorder.enabled=false", "--set", "venues.sim.params.rate=300", "--set", "venues.sim.params.volatility=5")
    means = [i for i in records(data, "intent") if i["kind"] == "REPLACE"]
    made = {o["intent"]: o["client_order_id"] for o in records(data, "order")}
    means = [i for i in means if i["id"] in made]
    assert means, "the run shows nothing: no order was replaced"
    old, new = means[-1]["order"], made[means[-1]["id"]]
    for wanted in (old, new):  # either tells of both
        told = json.loads(hadron("explain", wanted, "--journal", data, "--json"))
        assert old in told["orders"] and new in told["orders"], told["orders"]
        assert [i["kind"] for i in told["intents"] if i["intent"] == means[-1]["id"]] == ["REPLACE"], told["intents"]
        assert told["intents"][0]["kind"] == "NEW" and all(i["checks_known"] and i["checks"] for i in told["intents"] if i["kind"] != "CANCEL"), told["checks_unknown_because"]
        events = {(row["client_order_id"], row["change"]) for row in told["chain"] if row["message"] == "order_event"}
        assert (old, "QUEUE") in events and (new, "QUEUE") in events, events
    for line in hadron("explain", new, "--journal", data).splitlines():
        assert len(line) <= 100, line


def other_version(directory, data):
    path = os.path.join(directory, "other.lua")
    with open(os.path.join(SOURCE, "plugins", "strategies", "zero_cross_lua.lua")) as file:
        text = file.read()
    changed = text.replace("gap > band and 1", "gap > band + 20000000 and 1")
    assert changed != text
    with open(path, "w") as file:
        file.write(changed)
    result = json.loads(hadron("replay", data, "--verify", "--with", f"zero_cross_lua={path}", "--session", "1", "--json", code=7))
    difference = result["difference"]
    assert difference["message"] == "decision" and difference["cause"] is not None, difference
    text = hadron("replay", data, "--verify", "--with", f"zero_cross_lua={path}", "--session", "1", code=7)
    assert "First difference: decision" in text and "caused by" in text, text
    diff = json.loads(hadron("replay", data, "--with", f"zero_cross_lua={path}", "--json"))
    assert diff["replay"]["ticks"] > 0 and "decisions" in diff["replay"], diff.keys()


def main():
    with tempfile.TemporaryDirectory() as directory:
        data = os.path.join(directory, "data")
        record(data)
        first = verify(data)
        assert first["sessions"] == 1
        other_version(directory, data)
        orders(data, 1)
        costs(data, threads=False)
        replaced(os.path.join(directory, "replaced"))
        record(data, "--set", "engine.threads=true", "--set", "engine.shards=3")  # the same journal goes on
        assert verify(data)["sessions"] == 2
        costs(data, threads=True)
        for threads in ("false", "true"):  # orders of a round share a flush, and leave after it
            flushed = os.path.join(directory, "flushed-" + threads)
            record(flushed, "--set", "journal.fsync=true", "--set", f"engine.threads={threads}", "--set", "risk.order_rate_max=1000")
            verify(flushed)
            rows = records(flushed, "cost")
            assert rows and all(row["flush_ns"] > 0 for row in rows), rows[:3]
        backtest = os.path.join(directory, "backtest")
        hadron("backtest", os.path.join(SOURCE, "configs", "backtest_equity.lua"), "--journal", "--set", f"data_dir={backtest}", "--set", "sample.duration=2h", "--set", "sample.instruments=4")
        result = json.loads(hadron("replay", backtest, "--verify", "--json"))
        assert result["same"] and result["ticks"] > 1000, result
        assert not records(backtest, "cost") and records(backtest, "order")
        hadron("replay", os.path.join(directory, "nothing"), "--verify", code=4)
        hadron("replay", backtest, "--speed", "0", "--json")  # a journal plays like any recording
        hadron("replay", backtest, "--speed", "0", "--seek", "500", "--duration", "10m", "--json")
        hadron("replay", backtest, "--speed", "0", "--seek", "99999999999", "--json", code=4)


if __name__ == "__main__":
    sys.exit(main())
