"""Promise: tests/data/paired.txt, against which test_paired.c holds the C code, is what a slow reference written from the definitions
gives (tests/support/paired_reference.py): series of every kind, their block lengths, bootstraps and sequential tests. With
HADRON_WRITE_DATA=1 the file is written anew."""
import math
import os
import sys

ROOT = os.environ["HADRON_SOURCE_DIR"]
sys.path.insert(0, os.path.join(ROOT, "tests"))
from support import paired_reference as reference  # noqa: E402

PATH = os.path.join(ROOT, "tests/data/paired.txt")
RESAMPLES = 499


def normals(random):
    while True:
        u, v = 1 - (random.next() >> 11) * 2.0 ** -53, (random.next() >> 11) * 2.0 ** -53
        yield math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def series(seed, n, phi, shift, kind):
    draw, x, out = normals(reference.Random(seed)), 0.0, []
    for _ in range(n):
        e = next(draw)
        if kind == "heavy":
            e /= math.sqrt(sum(next(draw) ** 2 for _ in range(3)) / 3)
        elif kind == "sparse":
            e = e if next(draw) > 1 else 0.0
        x = phi * x + e
        out.append(round(1e6 * (x + (shift if kind != "sparse" or e else 0))) / 1e9)  # short numbers, the same in both languages
    return out


CASES = [(1, 20, 0, 0, "normal"), (2, 21, 0, 0.5, "normal"), (3, 60, 0.5, 0, "normal"), (4, 100, 0.8, 0, "normal"), (5, 150, 0, 0.4, "heavy"),
         (6, 200, -0.4, 0, "normal"), (7, 250, 0, 0, "sparse"), (8, 120, 0.5, -1.5, "normal"), (9, 240, 0, 0.6, "normal"), (10, 97, 0.9, 0, "heavy"),
         (11, 40, 0, 0, "zero"), (12, 40, 0, 1, "constant"), (13, 300, 0.3, 0.3, "heavy")]


def lines():
    for seed, n, phi, shift, kind in CASES:
        d = [0.0] * n if kind == "zero" else [0.001] * n if kind == "constant" else series(seed, n, phi, shift, kind)
        b, s = reference.bootstrap(d, 0.05, RESAMPLES, seed), reference.sequential(d, 0.05)
        yield f"case {seed} {n} {RESAMPLES} {kind}"
        yield " ".join(f"{x:.9g}" for x in d)
        yield "bootstrap " + " ".join(str(b[k]) for k in ("block", "mean", "error", "low", "high", "p"))
        yield "sequential " + " ".join(str(s[k]) for k in ("warm", "block", "blocks", "better", "worse", "better_max", "worse_max", "better_at", "worse_at"))


def close(a, b):
    if a == b:
        return True
    try:
        return abs(float(a) - float(b)) <= 1e-9 * max(1e-6, abs(float(b)))
    except ValueError:
        return False


def main():
    made = list(lines())
    if os.environ.get("HADRON_WRITE_DATA"):
        with open(PATH, "w", encoding="ascii") as f:
            f.write("\n".join(made) + "\n")
    kept = open(PATH, encoding="ascii").read().splitlines()
    wrong = [i for i, (a, b) in enumerate(zip(made, kept)) if len(a.split()) != len(b.split()) or not all(map(close, a.split(), b.split()))]
    if wrong or len(made) != len(kept):
        print(f"tests/data/paired.txt: {len(made)} lines made, {len(kept)} found; they differ first in line {wrong[0] + 1 if wrong else 'at the end'}")
        return 1
    print(f"{len(CASES)} series, {len(made)} lines: the file is what the reference gives")
    return 0


if __name__ == "__main__":
    sys.exit(main())
