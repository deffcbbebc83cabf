"""Adds up the JUnit reports of CTest, shows what failed, and checks that every test that the globs find was run. See script/test."""
import glob
import os
import sys
import xml.etree.ElementTree as xml

KINDS = ("unit", "contract", "integration", "fault")


def expected(kinds):
    found = set()
    for kind in kinds:
        for path in glob.glob(f"tests/{kind}/test_*.c") + glob.glob(f"tests/{kind}/*.sh") + glob.glob(f"tests/{kind}/test_*.py"):
            found.add(f"{kind}/{os.path.splitext(os.path.basename(path))[0]}")
    return found


def read(path):
    """Yields (name, outcome, words) of each test in one report."""
    for case in xml.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        words = "".join(part.text or "" for part in case if part.tag in ("failure", "system-out"))
        if case.find("skipped") is not None:
            yield case.get("name"), "skipped", words
        elif status == "run":
            yield case.get("name"), "passed", words
        else:
            yield case.get("name"), "failed", words


def main():
    count = {"passed": 0, "failed": int(sys.argv[1]), "skipped": 0}
    for path in sys.argv[2:]:
        preset = path.split("/")[1]
        if not os.path.exists(path):
            print(f"{preset}: CTest wrote no report; see build/{preset}/test.log")
            count["failed"] += 1
            continue
        seen = set()
        for name, outcome, words in read(path):
            seen.add(name)
            count[outcome] += 1
            if outcome == "failed":
                print(f"--- {preset} {name}\n{words[-6000:]}")
            elif outcome == "skipped":
                print(f"{preset} {name}: skipped: {words.strip()[-300:]}")
        kinds = {"release": KINDS, "debug": KINDS, "asan": KINDS[:3], "tsan": ()}.get(preset, ())
        for name in sorted(expected(kinds) - seen):
            print(f"--- {preset} {name}: found by glob, not run")
            count["failed"] += 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] or not count["passed"] else 0


sys.exit(main())
