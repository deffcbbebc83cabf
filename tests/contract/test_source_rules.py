"""Promise: dependencies point one way (cli, control -> runtime -> plugin, bus, journal -> pipeline -> base), plugins see the SDK
alone, the pipeline has no clock, thread or file of its own, and no file uses a banned function, a banned name, a marker of
unfinished work or a path of somebody's machine. Made-up lines show that each rule bites."""
import os
import re
import subprocess
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
BELOW = {
    "base": set(),
    "pipeline": {"base"},
    "journal": {"pipeline", "base"},
    "bus": {"pipeline", "base"},
    "plugin": {"pipeline", "base", "lua"},
    "lua": {"plugin", "pipeline", "base"},
    "registry": {"plugin", "lua", "base"},
    "runtime": {"plugin", "lua", "registry", "bus", "journal", "pipeline", "base"},
}
BELOW["control"] = BELOW["runtime"] | {"runtime"}
BELOW["cli"] = BELOW["control"] | {"control", "sdk"}
BELOW["sdk/validate"] = {"sdk", "plugin", "lua", "pipeline", "base"}
ROOMS = set(BELOW) - {"sdk/validate"} | {"sdk", "support", "host", "plugins"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)')
# The pipeline gets clock, files, network and threads from outside.
PIPELINE_SYSTEM = re.compile(r"^(pthread\.h|threads\.h|uv\.h|unistd\.h|fcntl\.h|time\.h|poll\.h|dlfcn\.h|sys/.*|netinet/.*|nng/.*)$")
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|strncpy|sprintf|vsprintf|strtok|gmtime|localtime|ctime|alloca|gets|tmpnam|system)\s*\(")
CLOCKS = re.compile(r"(?<![\w.>])(time|clock|clock_gettime|gettimeofday|rand|srand|random|drand48|getrandom|arc4random)\s*\(")
SLEEPS = re.compile(r"(?<![\w.>])(sleep|usleep|nanosleep|clock_nanosleep)\s*\(")
FLOATS = re.compile(r"(?<![\w.>])(strtod|strtof|strtold|atof)\s*\(")
MARKERS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
MACHINE = re.compile(r"(?<![\w.])(/" + "work/|/" + r"home/\w|/" + "root/)")
FILE_NAMES = re.compile(r"(^|[_/.-])(utils?|helpers?|misc|manager|common)([_/.-]|$)")
TEXTS = (".c", ".h", ".py", ".sh", ".lua", ".md", ".cmake", ".txt", ".json", ".sql", ".xml")


def room(path):
    parts = path.split("/")
    if parts[0] == "host" and len(parts) > 2:
        return parts[1]
    return "/".join(parts[:2]) if parts[0] == "sdk" else parts[0]


def strip(line):
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return line.split("//")[0]


def check_include(path, kind, name):
    here, head = room(path), name.split("/")[0]
    if here == "pipeline" and kind == "<" and PIPELINE_SYSTEM.match(name):
        yield f"the pipeline includes <{name}>"
    if kind == "<" or head == "hadron" or "/" not in name:
        return
    if here == "plugins":
        inside = os.path.exists(os.path.join(ROOT, os.path.dirname(path), name))
        if head in ROOMS or name.startswith("..") or not inside:
            yield f"a plugin includes {name}; it may see <hadron/...> and its own folder"
    elif here == "sdk/include" or here == "sdk/template":
        yield f"the SDK includes {name}"
    elif here in BELOW and head in ROOMS and head != here and head not in BELOW[here]:
        yield f"{here} includes {name}; it may include {', '.join(sorted(BELOW[here])) or 'nothing of the host'}"


def check_line(path, line):
    include = INCLUDE.match(line)
    if include:
        yield from check_include(path, include[1], include[2])
    here, code = room(path), strip(line)
    product = here in BELOW or here in ("plugins", "host") or path.startswith("sdk/")
    made_to_misbehave = path.startswith("tests/contract/plugins/")
    if product and BANNED.search(code) and path != "host/base/banned.h":
        yield f"banned function: {BANNED.search(code)[1]}"
    if here in ("pipeline", "plugins", "sdk/template") and CLOCKS.search(code):
        yield f"clock or chance of the system: {CLOCKS.search(code)[1]}"
    if here in ("pipeline", "sdk/include") and FLOATS.search(code):
        yield f"a price may come through a float: {FLOATS.search(code)[1]}"
    if here == "tests" and not made_to_misbehave and SLEEPS.search(code):
        yield f"a test that sleeps: {SLEEPS.search(code)[1]}"


def check(path, text):
    faults = []
    if FILE_NAMES.search(path):
        faults.append("banned word in the file's name")
    for number, line in enumerate(text.splitlines(), 1):
        if path.endswith((".c", ".h")):
            faults += [f"{number}: {fault}" for fault in check_line(path, line)]
        if MARKERS.search(line):
            faults.append(f"{number}: marker of unfinished work: {MARKERS.search(line)[1]}")
        if MACHINE.search(line):
            faults.append(f"{number}: path of a machine: {line.strip()[:80]}")
    return faults


BITES = [
    ("host/base/x.c", '#include "pipeline/engine.h"', "base includes"),
    ("host/pipeline/x.c", '#include "runtime/live.h"', "pipeline includes"),
    ("host/pipeline/x.c", '#include "journal/journal.h"', "pipeline includes"),
    ("host/journal/x.c", '#include "plugin/loader.h"', "journal includes"),
    ("host/runtime/x.c", '#include "cli/run.h"', "runtime includes"),
    ("host/control/x.c", '#include "cli/run.h"', "control includes"),
    ("host/pipeline/x.c", "#include <pthread.h>", "pipeline includes"),
    ("plugins/venues/x.c", '#include "base/text.h"', "a plugin includes"),
    ("plugins/venues/x/y.c", '#include "../sim/sim.h"', "a plugin includes"),
    ("sdk/include/hadron/x.h", '#include "base/text.h"', "the SDK includes"),
    ("host/runtime/x.c", "  strcpy(to, from);", "banned function"),
    ("plugins/strategies/x.c", "  int64_t now = time(NULL);", "clock"),
    ("host/pipeline/x.c", "  clock_gettime(CLOCK_REALTIME, &t);", "clock"),
    ("host/pipeline/x.c", "  double price = strtod(text, NULL);", "float"),
    ("tests/unit/x.c", "  usleep(1000);", "sleeps"),
    ("host/base/text_util.c", "", "file's name"),
    ("host/base/x.c", "// TO" + "DO: later", "unfinished"),
    ("docs/x.md", "see /" + "home/somebody/file", "machine"),
]
PASSES = [
    ("host/runtime/x.c", '#include "pipeline/engine.h"'),
    ("host/base/x.c", '  hd_log_info("X", "call strcpy(a, b)"); // or sprintf(a)'),
    ("plugins/strategies/x.c", "  seed = s->host->random(s->host->instance);"),
    ("host/pipeline/x.c", "  hd_portfolio_time(p);"),
]


def main():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, text=True)
    paths = listed.stdout.split("\n") if listed.returncode == 0 else [
        os.path.relpath(os.path.join(base, name), ROOT) for base, _, names in os.walk(ROOT) for name in names
        if not os.path.relpath(base, ROOT).startswith((".git", "build", "data"))]
    faults, count = [], 0
    for path in sorted(filter(None, paths)):
        if not path.endswith(TEXTS) or path.startswith(("configs/data/", "tests/data/")) or not os.path.isfile(f"{ROOT}/{path}"):
            continue
        count += 1
        text = open(f"{ROOT}/{path}", errors="replace").read()
        if path != "tests/contract/test_source_rules.py":
            faults += [f"{path}:{fault}" for fault in check(path, text)]
    if count < 80:
        faults.append(f"only {count} files were seen")
    for path, line, word in BITES:
        if not any(word in fault for fault in check(path, line)):
            faults.append(f"not caught ({word}): {path}: {line}")
    for path, line in PASSES:
        faults += [f"refused without reason: {path}: {fault}" for fault in check(path, line)]
    print("\n".join(faults) if faults else f"{count} files keep the rules; {len(BITES)} made-up lines were caught")
    return 1 if faults else 0


sys.exit(main())
