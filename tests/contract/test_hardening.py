"""Promise: the program and every plugin are built hardened: position independent, full RELRO, no executable stack, no RPATH, no text
relocations, stack protector, and in release FORTIFY; a plugin exports its entry point alone. Objects built weak show that each
check bites."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT, BUILD = os.environ["HADRON_SOURCE_DIR"], os.environ["HADRON_BUILD_DIR"]
SANITIZED = bool(os.environ.get("HADRON_SANITIZE"))
RELEASE = os.environ.get("HADRON_BUILD_TYPE") == "Release"


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def check_file(path, plugin):
    head, dynamic, segments = run("readelf", "-hW", path), run("readelf", "-dW", path), run("readelf", "-lW", path)
    if not re.search(r"Type:\s+DYN", head):
        yield "is not position independent"
    if not plugin and not re.search(r"FLAGS_1.*\bPIE\b", dynamic):
        yield "is not a PIE"
    if "GNU_RELRO" not in segments:
        yield "has no RELRO segment"
    if not re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", dynamic):
        yield "binds lazily: RELRO is not full"
    stack = re.search(r"GNU_STACK.*", segments)
    if not stack or re.search(r"\bRWE\b", stack[0]):
        yield "has an executable stack"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield "has a RPATH"
    if "TEXTREL" in dynamic:
        yield "has text relocations"
    if plugin and not SANITIZED:
        names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines()]
        if names != ["hadron_plugin_v1"]:
            yield f"exports {names}, expected hadron_plugin_v1 alone"


def check_command(command):
    words = command.split()
    if "-fstack-protector-strong" not in words:
        yield "is compiled without the stack protector"
    if not {"-fPIC", "-fPIE"} & set(words):
        yield "is compiled for a fixed place"
    if RELEASE and not SANITIZED and "-D_FORTIFY_SOURCE=2" not in words:
        yield "is compiled without FORTIFY"


def check_calls(path):
    """What the flags must have left behind in a program of this size."""
    symbols = run("nm", path)
    if "__stack_chk_fail" not in symbols:
        yield "never checks its stack"
    if RELEASE and not SANITIZED and not re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")):
        yield "calls no fortified function"


def weak():
    """Yields the faults of objects that lack one thing each."""
    source = "const char *hadron_plugin_v1(void); const char *hadron_plugin_v1(void) { return \"\"; } int main(void) { return 0; }\n"
    ways = [(["-no-pie", "-fno-pie"], False, "position independent"), (["-fPIC", "-shared"], False, "not a PIE"),
            (["-fPIC", "-shared", "-Wl,-z,norelro"], True, "no RELRO"), (["-fPIC", "-shared", "-Wl,-z,lazy"], True, "lazily"),
            (["-fPIC", "-shared", "-Wl,-z,execstack"], True, "executable stack"),
            (["-fPIC", "-shared", "-Wl,-rpath,/tmp"], True, "RPATH"), (["-fPIC", "-shared"], True, "exports")]
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/weak.c", "w") as file:
            file.write(source)
        for flags, plugin, word in ways:
            if SANITIZED and word == "exports":
                continue
            run("gcc", *flags, "-o", f"{directory}/weak", f"{directory}/weak.c")
            if not any(word in fault for fault in check_file(f"{directory}/weak", plugin)):
                yield f"not caught: {word}"
    for command, word in (("cc -fPIC -D_FORTIFY_SOURCE=2", "stack protector"), ("cc -fstack-protector-strong", "fixed place")):
        if not any(word in fault for fault in check_command(command)):
            yield f"not caught: {word}"


def main():
    programs = [f"{BUILD}/hadron"] if os.path.exists(f"{ROOT}/host/main.c") else []
    plugins = sorted(glob.glob(f"{BUILD}/plugins/*.so") + glob.glob(f"{BUILD}/templates/*.so"))
    faults = []
    for path in programs + plugins:
        faults += [f"{path} {fault}" for fault in check_file(path, path in plugins)]
    for path in programs:
        faults += [f"{path} {fault}" for fault in check_calls(path)]
    commands = json.load(open(f"{BUILD}/compile_commands.json"))
    for entry in commands:
        file = os.path.relpath(entry["file"], ROOT)
        if file.startswith(("host/", "lua/", "registry/", "plugins/", "sdk/")):
            faults += [f"{file} {fault}" for fault in check_command(entry["command"])]
    if not plugins or len(commands) < 20:
        faults.append(f"only {len(plugins)} plugins and {len(commands)} compile commands were found in {BUILD}")
    faults += weak()
    print("\n".join(faults) if faults else f"{len(programs)} programs and {len(plugins)} plugins are hardened")
    return 1 if faults else 0


sys.exit(main())
