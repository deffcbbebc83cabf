"""Promise: a layout of the SDK cannot change without the version bump that it needs. The headers are compared with sdk/abi, and
copies of the dump with one change each show that the checker sees every kind of it."""
import os
import shutil
import sys
import tempfile

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, f"{ROOT}/script")
import abi  # noqa: E402
import layout  # noqa: E402


LOG_WRITE = "  write 8 8 void (*)(struct hadron_instance *, uint32_t, const char *, const char *)\n"


def grow(text):  # a table gets a function at its end
    return text.replace("struct hadron_log 16\n", "struct hadron_log 24\n").replace(
        LOG_WRITE, LOG_WRITE + "  flush 16 8 void (*)(struct hadron_instance *)\n")



# (what, change of the dump, is it a break?)
MUTATIONS = [
    ("a table grows at its end", grow, False),
    ("a new struct", lambda text: text + "struct hadron_zebra 8\n  stripes 0 8 uint64_t\n", False),
    ("a new enumeration value", lambda text: text.replace("  HADRON_SIDE_SELL 2\n", "  HADRON_SIDE_SELL 2\n  HADRON_SIDE_SHORT 3\n"), False),
    ("a new constant", lambda text: text + "constant HADRON_ZEBRA 1\n", False),
    ("a count goes up", lambda text: text.replace("HADRON_RISK_REASON_COUNT 24", "HADRON_RISK_REASON_COUNT 25"), False),
    ("a field has another type", lambda text: text.replace("  recv_ns 8 8 int64_t", "  recv_ns 8 8 uint64_t"), True),
    ("a field has moved", lambda text: text.replace("  instrument 24 4 uint32_t\n  venue 28", "  instrument 28 4 uint32_t\n  venue 24"), True),
    ("a field has another name", lambda text: text.replace("  recv_ns 8 8 int64_t", "  received_ns 8 8 int64_t"), True),
    ("a field is gone", lambda text: text.replace(LOG_WRITE, ""), True),
    ("a message grows", lambda text: text.replace("struct hadron_equity 64\n", "struct hadron_equity 72\n"), True),
    ("a function takes another argument", lambda text: text.replace(LOG_WRITE, LOG_WRITE.replace("uint32_t, ", "int64_t, ")), True),
    ("an enumeration value has changed", lambda text: text.replace("  HADRON_SIDE_SELL 2\n", "  HADRON_SIDE_SELL 3\n"), True),
    ("an enumeration value is gone", lambda text: text.replace("  HADRON_SIDE_SELL 2\n", ""), True),
    ("a constant has changed", lambda text: text.replace("HADRON_PRICE_SCALE INT64_C(1000000000)", "HADRON_PRICE_SCALE INT64_C(1000000)"), True),
    ("a struct is gone", lambda text: text.replace("struct hadron_quote ", "struct hadron_quotation ", 1), True),
    ("a function in the middle of a table", lambda text: text.replace(LOG_WRITE, "  flush 8 8 void (*)(void)\n" + LOG_WRITE.replace("8 8", "16 8")), True),
]


def versioned(text, major, minor):
    return f"abi {major}.{minor}\n" + text.split("\n", 1)[1]


def bites(text, version):
    """The checker's verdict on each mutation, without a bump, with a minor and with a major one."""
    old, (major, minor), wrong = abi.Dump(text), version, []
    for what, change, is_break in MUTATIONS:
        mutated = change(text)
        if mutated == text:
            wrong.append(f"{what}: the mutation changes nothing; bring it up to date")
            continue
        verdicts = [not abi.judge(old, abi.Dump(versioned(mutated, *bump)))
                    for bump in ((major, minor), (major, minor + 1), (major + 1, 0))]
        if verdicts != [False, not is_break, True]:
            wrong.append(f"{what}: expected accepted = {[False, not is_break, True]}, found {verdicts}")
    return wrong


def files_bite(text, version):
    """A changed header fails against the directory, and so does a dump that was edited, or is missing."""
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        path = abi.path_of(directory, version)
        shutil.copy(abi.path_of(f"{ROOT}/sdk/abi", version), path)
        if abi.check(directory, abi.Dump(text)):
            wrong.append("the copy of sdk/abi is refused")
        if not abi.check(directory, abi.Dump(MUTATIONS[0][1](text))):
            wrong.append("growth without a bump is accepted")
        grown = versioned(MUTATIONS[0][1](text), version[0], version[1] + 1)
        if not abi.check(directory, abi.Dump(grown)):
            wrong.append("a new version without its file is accepted")
        with open(abi.path_of(directory, (version[0], version[1] + 1)), "w") as file:
            file.write(grown)
        if abi.check(directory, abi.Dump(grown)):
            wrong.append("growth with its bump and its file is refused")
        os.remove(path)
        os.remove(abi.path_of(directory, (version[0], version[1] + 1)))
        if not abi.check(directory, abi.Dump(text)):
            wrong.append("an empty directory is accepted")
    return wrong


def main():
    seen = layout.Layout(f"{ROOT}/sdk/include")
    text = seen.dump()
    faults = abi.check(f"{ROOT}/sdk/abi", abi.Dump(text))
    if not faults:
        faults = bites(text, seen.version) + files_bite(text, seen.version)
    print("\n".join(faults) if faults else f"{len(text.splitlines())} lines agree, {len(MUTATIONS)} mutations were caught")
    return 1 if faults else 0


sys.exit(main())
