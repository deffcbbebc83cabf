"""Promise: hadron journal verify, dump, tail, export and salvage say what is in a journal, in words and in JSON that loads, with exit statuses
that hold: 0, 2 for a wrong command line, 4 for damage, which is named with a hint; what they read is not changed. The journal is the one of
format 1.0 in tests/data, and one that a backtest has just written."""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
HADRON = f"{BUILD}/hadron"


def run(*words, cwd=None, status=0):
    done = subprocess.run([HADRON, *words], cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode != status:
        sys.exit(f"hadron {' '.join(words)}: status {done.returncode}, expected {status}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def lines(text):
    def pairs(found):
        names = [name for name, _ in found]
        assert len(names) == len(set(names)), names
        return dict(found)
    return [json.loads(line, object_pairs_hook=pairs) for line in text.splitlines()]


def old_format(root):
    old = f"{root}/old"
    shutil.copytree(f"{SOURCE}/tests/data/journal-1.0", old)
    before = {name: open(f"{old}/{name}", "rb").read() for name in os.listdir(old)}
    verdict = json.loads(run("journal", "verify", old, "--json").stdout)
    assert verdict["ok"] and verdict["records"] == 300 and verdict["segments"] == 3 and verdict["chained"] == 3, verdict
    records = lines(run("journal", "dump", old, "--json").stdout)
    assert [r["id"] for r in records] == list(range(300)) and [r["record"] for r in records] == list(range(1, 301))
    assert [r["id"] for r in lines(run("journal", "tail", old, "-n", "5", "--json").stdout)] == list(range(295, 300))
    middle = records[150]
    assert [r["id"] for r in lines(run("journal", "dump", old, "--json", "--from", "100", "--to", "102").stdout)] == [99, 100, 101]
    assert [r["id"] for r in lines(run("journal", "dump", old, "--json", "--from", f"@{middle['record_at']}").stdout)] == list(range(150, 300))
    assert [r["id"] for r in lines(run("journal", "dump", old, "--json", "--from", "2023-11-14T22:13:20.000000280Z").stdout)] == list(range(280, 300))
    head = run("journal", "verify", old).stdout.splitlines()[-1].split()[1]
    run("journal", "verify", old, "--head", head)
    run("journal", "verify", old, "--head", "301:" + "0" * 64, status=4)
    run("journal", "verify", old, "--head", "x", status=2)
    run("journal", "dump", old, "--kind", "tock", status=2)
    run("journal", "dump", old, "--from", "yesterday", status=2)
    run("journal", "verify", f"{root}/none", status=4)
    assert before == {name: open(f"{old}/{name}", "rb").read() for name in os.listdir(old)}
    return old, records


def damaged(root, old, records):
    bad = f"{root}/bad"
    shutil.copytree(old, bad)
    with open(f"{bad}/journal-0000000000000081.hdj", "r+b") as f:
        f.seek(8000)
        f.write(b"\xff" * 10)
    found = run("journal", "verify", bad, status=4)
    assert "journal-0000000000000081.hdj at offset" in found.stderr and "salvage" in found.stderr, found.stderr
    assert not json.loads(run("journal", "verify", bad, "--json", status=4).stdout)["ok"]
    saved = json.loads(run("journal", "salvage", bad, f"{root}/saved", "--json").stdout)
    assert saved["lost"] >= 1 and saved["records"] + saved["lost"] == 300 and saved["places"][0]["file"].endswith("81.hdj"), saved
    verdict = json.loads(run("journal", "verify", f"{root}/saved", "--json").stdout)
    assert verdict["ok"] and verdict["missing"] == saved["lost"]
    kept = {r["id"]: r["record_at"] for r in lines(run("journal", "dump", f"{root}/saved", "--json").stdout)}
    assert len(kept) == saved["records"] and all(records[i]["record_at"] == at for i, at in kept.items())
    run("journal", "salvage", bad, f"{root}/saved", status=1)  # it holds a journal already


def backtest(root):
    run("backtest", f"{SOURCE}/configs/backtest_equity.lua", "--json", "--journal", "--set", f"data_dir={root}/data", "--set", "sample.duration=20m", cwd=root)
    whole = lines(run("journal", "dump", f"{root}/data", "--json").stdout)
    assert json.loads(run("journal", "verify", f"{root}/data", "--json").stdout)["records"] == len(whole)
    counts = {}
    for r in whole:
        counts[r["message"]] = counts.get(r["message"], 0) + 1
    out = f"{root}/out"
    summary = json.loads(run("journal", "export", f"{root}/data", out, "--json").stdout)
    assert summary["messages"] == counts, (summary, counts)
    for name, count in counts.items():
        with open(f"{out}/{name}.csv", newline="") as f:
            rows = list(csv.DictReader(f))
        assert len(rows) == count and None not in rows[0], name
    ordered = [r for r in whole if r["message"] == "order"]
    assert ordered, counts
    some = ordered[len(ordered) // 2]
    chain = lines(run("journal", "dump", f"{root}/data", "--json", "--trace", some["trace"]).stdout)
    assert {"decision", "intent", "order", "order_event"} <= {r["message"] for r in chain}
    only = lines(run("journal", "dump", f"{root}/data", "--json", "--order", some["client_order_id"], "--kind", "order").stdout)
    assert len(only) == 1 and only[0] == some
    streamed = lines(run("journal", "export", f"{root}/data", "-", "--format", "json", "--kind", "order,execution").stdout)
    assert len(streamed) == counts["order"] + counts.get("execution", 0)
    run("journal", "export", f"{root}/data", "-", status=2)  # CSV of several kinds in one stream
    text = run("journal", "dump", f"{root}/data", "--kind", "order").stdout.splitlines()
    last = lines(run("journal", "tail", f"{root}/data", "-n", "3", "--kind", "order", "--json").stdout)
    assert last == ordered[-3:], last  # three orders, not the orders among three records
    assert lines(run("journal", "tail", f"{root}/data", "-n", str(len(whole) + 9), "--kind", "order", "--json").stdout) == ordered
    assert run("journal", "tail", f"{root}/data", "--kind", "cost").stdout == "" and lines(run("journal", "tail", f"{root}/data", "--json").stdout) == whole[-10:]
    assert len(text) == counts["order"] and f"client_order_id={some['client_order_id']}" in "\n".join(text)


def main():
    with tempfile.TemporaryDirectory(prefix="hadron-test-") as root:
        old, records = old_format(root)
        damaged(root, old, records)
        backtest(root)


main()
