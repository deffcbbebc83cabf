"""The card of a strategy: what registers one of its versions with a host (docs/remote.md), so that it is deployed as those of plugins are."""
from __future__ import annotations

import decimal
from typing import Any

from .client import HadronError
from .run import bar_texts
from .strategy import Strategy


def quoted(text: str) -> str:
    """A Lua string."""
    return '"' + "".join(c if c >= " " and c not in '"\\' else f"\\{ord(c):03d}" for c in text) + '"'


def row(name: str, value: Any, live: bool) -> str:
    types: tuple[tuple[Any, str], ...] = ((bool, "bool"), (int, "integer"), (float, "real"), ((str, decimal.Decimal), "text"))
    kind = next((word for of, word in types if isinstance(value, of)), None)
    if kind is None:
        raise HadronError(f"parameter {name}: expected a bool, int, float, Decimal or str, found {type(value).__name__}; a host can only say one of those")
    initial = str(value).lower() if kind == "bool" else repr(value) if kind == "real" else str(value) if kind == "integer" else quoted(str(value))
    return f"    [{quoted(name)}] = {{ type = {quoted(kind)}, default = {initial}{', live = true' if live else ''} }},"


def bar(text: str) -> str:
    kind, _, interval = text.rpartition(":")
    return f"{{ kind = {quoted(kind or 'time')}, interval = {quoted(interval)} }}"


def write_card(of: type[Strategy]) -> str:
    """As a Lua script without callbacks: nothing of it runs in the host."""
    live = of.on_params is not Strategy.on_params
    words = (of.__doc__ or of.__name__).strip().splitlines()[0][:100]
    lines = [f"-- hadron: strategy {of.name} {of.version}", f"-- description: {words}", "-- requires: hadron.strategy/1 hadron.external/1", "return hadron.strategy {"]
    if of.params:
        lines += ["  params = {", *(row(name, of.params[name], live) for name in sorted(of.params)), "  },"]
    if of.bars:
        lines.append(f"  bars = {{ {', '.join(bar(text) for text in bar_texts(of.bars))} }},")
    return "\n".join(lines + ["}"])
