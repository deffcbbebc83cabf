"""Runs bench programs and checks what they print: exactly one JSON object each, with the agreed keys. See script/bench."""
import json
import subprocess
import sys

KEYS = {"name": str, "value": (int, float), "unit": str, "baseline": (int, float), "ratio": (int, float), "goal": (int, float, str), "ok": bool}


def measure(name):
    program = f"build/release/bench_{name}"
    done = subprocess.run([program, "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise ValueError(f"{program} ended with {done.returncode}")
    result = json.loads(done.stdout)
    for key, kind in KEYS.items():
        if key not in result:
            raise ValueError(f"{program} printed no \"{key}\"")
        if result[key] is not None and not isinstance(result[key], kind):
            raise ValueError(f"{program} printed {key} = {result[key]!r}, expected {kind}")
    return result


def number(value):
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def main():
    as_json = "--json" in sys.argv
    names = [word for word in sys.argv[1:] if word != "--json"]
    failed = False
    if not as_json:
        print(f"{'bench':<16} {'value':>16} {'unit':<10} {'baseline':>16} {'ratio':>8} {'goal':>8}  ok", flush=True)
    for name in names:
        try:
            result = measure(name)
        except (ValueError, OSError) as fault:
            print(f"script/bench: {name}: {fault}", file=sys.stderr)
            failed = True
            continue
        if as_json:
            print(json.dumps(result, separators=(",", ":")), flush=True)
            continue
        print(f"{name:<16} {number(result['value']):>16} {result['unit']:<10} {number(result['baseline']):>16} "
              f"{number(result['ratio']):>8} {number(result['goal']):>8}  {'yes' if result['ok'] else 'NO'}", flush=True)
        conditions = {key: value for key, value in result.items() if key not in KEYS}
        if conditions:
            print("    " + ", ".join(f"{key} {value}" for key, value in conditions.items()), flush=True)
    return 1 if failed else 0


sys.exit(main())
