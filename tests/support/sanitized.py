"""A library that was built with the address sanitizer, in a Python that was not: the sanitizer has to come first. Leaks are not looked for, Python's own
would drown them."""
import os
import subprocess
import sys


def preload():
    """Begins this program anew under the sanitizer's library, where the build has it."""
    if "address" not in os.environ.get("HADRON_SANITIZE", "") or "LD_PRELOAD" in os.environ:
        return
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    os.execve(sys.executable, [sys.executable, "-B", *sys.argv], {**os.environ, "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"})
