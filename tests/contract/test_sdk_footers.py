"""Promise: every function pointer of the SDK says on which thread and in which state it may be called, and since which version;
and no third-party type appears in an SDK header. Made-up headers show that each rule bites."""
import glob
import os
import re
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
THREADS = {"control", "io", "shard", "trade", "journal", "plugin", "any", "the owning thread"}
STATES = {"loaded", "created", "active", "stopped"}
SYSTEM = {"assert.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
FOREIGN = re.compile(r"\b(uv_\w+|nng_\w+|lua_\w+|PG\w+|pg_\w+|mbedtls_\w+|sqlite3\w*|json_t|ck_\w+|pthread_\w+)\b")
POINTER = re.compile(r"^  (?:const )?(?:struct )?\w+ \**\(\*(\w+)\)\(")


def tag_faults(tag):
    """[control & created; shard & active], [io, control & created, active], [any]"""
    for place in tag.split(";"):
        threads, _, states = place.partition("&")
        for word in threads.split(","):
            if word.strip() not in THREADS:
                yield f"unknown thread '{word.strip()}'"
        for word in filter(None, (word.strip() for word in states.split(","))):
            if word not in STATES:
                yield f"unknown state '{word}'"


def check_pointer(name, comment):
    tags = [tag for tag in re.findall(r"\[([^\]]+)\]", comment) if tag != "nonblocking" and tag.split()[0].strip(",;") in
            {word for thread in THREADS for word in thread.split()[:1]}]
    if not tags:
        yield f"{name}: no thread tag, such as [shard & active]"
    for tag in tags:
        yield from (f"{name}: {fault}" for fault in tag_faults(tag))
    if not re.search(r"@since \d+\.\d+\b", comment):
        yield f"{name}: no @since footer"


def check(text):
    """Yields what is wrong with one header; the number of function pointers it saw is returned at the end."""
    faults, comment, count, depth = [], "", 0, 0
    for line in text.splitlines():
        code = line.split("//")[0]
        if line.strip().startswith("//"):
            comment += line.strip()[2:] + "\n"
            continue
        pointer = POINTER.match(line)
        if pointer and depth == 0:
            count += 1
            faults += check_pointer(pointer[1], comment)
        depth += code.count("(") - code.count(")")
        include = re.match(r'#include ["<]([^">]+)', line)
        if include and not include[1].startswith("hadron/") and include[1] not in SYSTEM:
            faults.append(f"includes {include[1]}")
        faults += [f"names the foreign type {name}" for name in FOREIGN.findall(code)]
        comment = ""
    return faults, count


BITES = [
    ("  // Does. [shard & active]\n  void (*f)(void);\n", "@since"),
    ("  // Does.\n  // @since 1.0\n  void (*f)(void);\n", "thread tag"),
    ("  // Does. [shard & awake]\n  // @since 1.0\n  void (*f)(void);\n", "state"),
    ("  // Does. [shard, kitchen & active]\n  // @since 1.0\n  void (*f)(void);\n", "thread"),
    ("  // Does. [any]\n  // @since 1.0\n\n  void (*f)(void);\n", "thread tag"),
    ("#include <uv.h>\n", "includes"),
    ("struct x {\n  lua_State *lua;\n};\n", "foreign"),
]


def main():
    faults, total = [], 0
    for path in sorted(glob.glob(f"{ROOT}/sdk/include/**/*.h", recursive=True)):
        found, count = check(open(path).read())
        total += count
        faults += [f"{os.path.relpath(path, ROOT)}: {fault}" for fault in found]
    declared = sum(len(re.findall(r"^  [^ /\n][^/\n(]*\(\*\w+\)\(", open(path).read(), re.M))
                   for path in glob.glob(f"{ROOT}/sdk/include/**/*.h", recursive=True))
    if total != declared:
        faults.append(f"{declared} function pointers are declared, {total} were understood")
    for text, word in BITES:
        if not any(word in fault for fault in check(text)[0]):
            faults.append(f"not caught ({word}): {text!r}")
    if check("  // Does. [io, control & created, active] [nonblocking]\n  // @since 1.0\n  void (*f)(void);\n")[0]:
        faults.append("a good footer is refused")
    print("\n".join(faults) if faults else f"{total} function pointers carry their footers")
    return 1 if faults else 0


sys.exit(main())
