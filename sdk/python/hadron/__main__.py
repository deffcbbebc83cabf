"""python3 -m hadron run my.py --connect ipc:///path/to/hadron.ipc"""
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import stat
import sys
import time
import traceback
from types import FrameType

from .client import HadronError
from .card import write_card
from .run import Runner
from .strategy import Strategy


def load(path: str, wanted: str | None) -> type[Strategy]:
    """The strategy class of a file."""
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise HadronError(f"{path}: no Python file; give the path of the strategy's .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec.loader.exec_module(module)
    found = [value for value in vars(module).values()
             if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy and value.__module__ == spec.name]
    if wanted:
        found = [value for value in found if value.__name__ == wanted]
    if len(found) != 1:
        names = ", ".join(value.__name__ for value in found) or "none"
        raise HadronError(f"{path}: expected one class derived from hadron.Strategy{f' named {wanted}' if wanted else ''}, found {names}; "
                          "choose with --class NAME")
    if not found[0].name:
        raise HadronError(f"{path}: class {found[0].__name__} has no `name`; write the section of the host's configuration that it trades for")
    return found[0]


def secret(path: str | None) -> str | None:
    if path is None:
        return os.environ.get("HADRON_TOKEN") or None
    mode = os.stat(path).st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise HadronError(f"{path}: others may read it (mode {stat.S_IMODE(mode):o}); `chmod 600 {path}`")
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m hadron", description="External strategies of a Hadron host.")
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="say which strategy a file has, as JSON")
    describe.add_argument("file", metavar="FILE")
    describe.add_argument("--class", dest="wanted", metavar="NAME", help="which class, where the file has several")
    card = commands.add_parser("card", help="write the card that registers this version with a host",
                               description="Writes the card of the strategy in FILE: what `hadron registry add` registers as this version. `hadron registry add FILE.py` does both.")
    card.add_argument("file", metavar="FILE")
    card.add_argument("--class", dest="wanted", metavar="NAME", help="which class, where the file has several")
    run = commands.add_parser("run", help="join a running host", description="Joins a running host with the strategy in FILE; goes on until the host ends it or Ctrl-C.")
    run.add_argument("file", metavar="FILE", help="a .py file with one class derived from hadron.Strategy")
    run.add_argument("--connect", metavar="URL", default=os.environ.get("HADRON_URL"), help="the host's session listener (bus.sessions of its configuration): ipc://, tcp://, tls+tcp://, ws://; default: HADRON_URL")
    run.add_argument("--class", dest="wanted", metavar="NAME", help="which class, where the file has several")
    run.add_argument("--name", help="another name than the class says")
    run.add_argument("--version", help="another version than the class says")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter; may be given more than once")
    run.add_argument("--token-file", metavar="FILE", help="what `hadron token` printed, in a file of mode 600; default: HADRON_TOKEN")
    run.add_argument("--ca", metavar="FILE", help="PEM: who is trusted (tls+tcp)")
    run.add_argument("--certificate", metavar="FILE", help="PEM: this side's certificate")
    run.add_argument("--key", metavar="FILE", help="PEM: its secret key")
    run.add_argument("--server-name", metavar="NAME", help="that the host's certificate must carry; default: the host part of URL")
    run.add_argument("--connect-timeout", metavar="SECONDS", type=float, default=0, help="how long the host may be away before this gives up; default: for ever")
    run.add_argument("--quiet", action="store_true", help="say nothing but errors")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    if options.command in ("describe", "card"):
        try:
            found = load(options.file, options.wanted)
            words = json.dumps({"name": found.name, "version": found.version, "class": found.__name__}) if options.command == "describe" else write_card(found)
        except (HadronError, OSError) as fault:
            print(fault, file=sys.stderr)
            return 1
        print(words)
        return 0
    if not options.connect:
        print("hadron run: --connect URL is missing (or HADRON_URL): where the host listens, as bus.sessions of its configuration says", file=sys.stderr)
        return 2
    runner: Runner | None = None
    stopping = False

    def say(line: str) -> None:
        if not options.quiet:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if runner:
            runner.client.wake()

    try:
        strategy = load(options.file, options.wanted)()
        strategy.name, strategy.version = options.name or strategy.name, options.version or strategy.version
        for pair in options.set:
            name, _, value = pair.partition("=")
            from .run import convert
            if name not in strategy.params:
                raise HadronError(f"--set {pair}: {type(strategy).__name__} has no parameter {name}; it has {', '.join(strategy.params) or 'none'}")
            strategy.params[name] = convert(value, strategy.params[name], name)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        runner = Runner(strategy, options.connect, token=secret(options.token_file), ca=options.ca, certificate=options.certificate, key=options.key,
                        server_name=options.server_name, connect_ms=int(options.connect_timeout * 1000), hello=os.environ.get("HADRON_HELLO"), log=say,
                        pinned={pair.partition("=")[0] for pair in options.set})
        while not stopping and runner.closed is None:
            runner.step(1000)
        strategy.on_stop()
        if runner.closed is not None:
            raise HadronError(runner.closed)
        figures = runner.client.figures()
        say(f"ended: {figures['messages']} messages, {figures['decisions']} decisions, {figures['refused']} refused, {figures['lost']} ticks lost")
        return 0
    except (HadronError, OSError) as fault:
        print(f"hadron run: {fault}", file=sys.stderr)
        return 1
    except Exception:  # the strategy's own: told before the host hears that it is gone
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    finally:
        if runner:
            runner.close()


sys.exit(main())
