"""The layouts of the ABI, one file per version: sdk/abi/hadron-MAJOR.MINOR.txt.

    script/abi.py            writes the file of the headers' version; a file that is there and differs is left alone
    script/abi.py --check    says what is wrong: a layout that changed without the version bump that it needs

The rule. A table that begins with its struct_size may grow at its end; a struct, enumeration value, type or constant may be new:
HADRON_ABI_MINOR goes up. Anything else that differs is a break: HADRON_ABI_MAJOR goes up. A published file never changes; before
the first release a file may be taken back by deleting it and writing it anew."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
GROWS = re.compile(r"_COUNT$|^HADRON_SCHEMA_MINOR$")  # numbers that go up when something is added


class Dump:
    def __init__(self, text):
        self.text, self.parts = text, {}
        part = None
        for line in text.splitlines():
            words = line.split(None, 2)
            if line.startswith("abi "):
                self.version = tuple(int(number) for number in words[1].split("."))
            elif line.startswith("  "):
                name, rest = line.split(None, 1)
                part["rows"].append((name, rest))
            else:
                part = {"kind": words[0], "value": words[2] if len(words) > 2 else "", "rows": []}
                self.parts[f"{words[0]} {words[1]}"] = part


def part_changes(name, old, new):
    """Yields (is it a break?, words) for one struct, enumeration, type or constant in both dumps."""
    if old["kind"] in ("type", "constant"):
        if old["value"] != new["value"]:
            grown = GROWS.search(name) and int(new["value"], 0) > int(old["value"], 0)
            yield not grown, f"{name}: was {old['value']}, is {new['value']}"
        return
    old_rows, new_rows = old["rows"], new["rows"]
    counted = [row for row in new_rows if not GROWS.search(row[0])]
    before = [row for row in old_rows if not GROWS.search(row[0])]
    table = any(row[0] == "struct_size" for row in old_rows[:2])
    for index, (field, layout) in enumerate(before):
        found = dict(counted).get(field)
        if found is None:
            yield True, f"{name}.{field}: was {layout}, is gone"
        elif found != layout:
            yield True, f"{name}.{field}: was {layout}, is {found}"
        elif old["kind"] == "struct" and counted[index][0] != field:
            yield True, f"{name}.{field}: is no longer field {index + 1}"
    for field, layout in set(old_rows) - set(before):
        if dict(new_rows).get(field) != layout:
            yield int(dict(new_rows).get(field, -1)) < int(layout), f"{name}.{field}: was {layout}, is {dict(new_rows).get(field)}"
    names = {row[0] for row in before}
    for index, (field, layout) in enumerate(counted):
        if field not in names:
            at_end = old["kind"] == "enum" or (table and index >= len(before) and int(layout.split()[0]) >= int(old["value"]))
            yield not at_end, f"{name}.{field}: is new, {layout}"
    if old["value"] != new["value"] and not (table and int(new["value"]) > int(old["value"])):
        yield True, f"{name}: was {old['value']} bytes, is {new['value']}"


def changes(old, new):
    for name, part in old.parts.items():
        if name in new.parts:
            yield from part_changes(name, part, new.parts[name])
        else:
            yield True, f"{name}: is gone"
    for name in new.parts:
        if name not in old.parts:
            yield False, f"{name}: is new"


def judge(old, new):
    """What is wrong with going from one dump to the other; empty if the version bump covers every change."""
    found = list(changes(old, new))
    broken = any(is_break for is_break, _ in found)
    if not found or new.version[0] > old.version[0]:
        return []
    if not broken and new.version > old.version:
        return []
    need = f"{old.version[0] + 1}.0" if broken else f"{old.version[0]}.{old.version[1] + 1}"
    head = (f"the layout changed from {old.version[0]}.{old.version[1]} to {new.version[0]}.{new.version[1]}: "
            f"expected version {need}{' or later' if not broken else ''}, as HADRON_ABI_{'MAJOR' if broken else 'MINOR'} says a "
            f"{'break' if broken else 'growth'}")
    return [head] + [f"  {'break ' if is_break else 'growth'} {words}" for is_break, words in found]


def path_of(directory, version):
    return f"{directory}/hadron-{version[0]}.{version[1]}.txt"


def check(directory, now):
    """now: dump of the headers. Every pair of neighbouring versions is judged, and the headers against the newest."""
    files = [Dump(open(path).read()) for path in glob.glob(f"{directory}/hadron-*.txt")]
    files.sort(key=lambda dump: dump.version)
    if not files:
        return [f"{directory} has no layout; write it with script/abi.py"]
    faults = []
    for old, new in zip(files, files[1:] + [now]):
        faults += judge(old, new)
    if faults:
        return faults
    if now.version < files[-1].version:
        return [f"the headers say {now.version}, {directory} has {files[-1].version} already"]
    path = path_of(directory, now.version)
    if not os.path.exists(path):
        return [f"{path} is missing: the headers have a new version; write it with script/abi.py"]
    if open(path).read() != now.text:
        return [f"{path} is not what the headers give: was it edited by hand?"]
    return []


def main():
    import layout
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    directory, now = f"{root}/sdk/abi", Dump(layout.Layout(f"{root}/sdk/include").dump())
    if "--check" not in sys.argv:
        path = path_of(directory, now.version)
        if not os.path.exists(path):
            with open(path, "w") as file:
                file.write(now.text)
            print(f"wrote {path}")
    faults = check(directory, now)
    print("\n".join(faults) if faults else f"sdk/abi agrees with the headers, version {now.version[0]}.{now.version[1]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
