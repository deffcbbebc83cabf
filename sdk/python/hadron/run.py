"""Joins a strategy to a host and calls it."""
from __future__ import annotations

import json
import struct
from typing import Any, Callable, Collection, Iterator

from . import client as wire
from .client import Client, Event, HadronError
from .messages import DTYPES, ERRORS, Allocation, Bar, Instrument, OrderEvent, Position, Tick
from .strategy import Session, Strategy

_tick = struct.Struct("<qqQIHBB4q")
_ask = struct.Struct("<QqIIII")
_lost = struct.Struct("<QQQII")
_CREATE, _PARAMS, _START, _STEP, _STOP = 1, 2, 5, 6, 7


def bar_texts(bars: Any) -> list[str]:
    """As the wire and a configuration have them: "1m", "tick:100"."""
    return [bar if isinstance(bar, str) else bar[1] if bar[0] == "time" else ":".join(bar) for bar in bars]


def convert(value: str, like: Any, name: str) -> Any:
    """A parameter's text as the type that the class has given it."""
    try:
        if isinstance(like, bool):
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        return type(like)(value) if like is not None else value
    except (ValueError, KeyError, ArithmeticError) as fault:
        raise HadronError(f"parameter {name}: {value!r} is no {type(like).__name__}") from fault


class Runner:
    """One strategy, one session. step() handles what has come; run() does so until the session is over."""

    def __init__(self, strategy: Strategy, url: str, *, token: str | None = None, ca: str | None = None, certificate: str | None = None, key: str | None = None,
                 server_name: str | None = None, connect_ms: int = 0, hello: str | None = None, pinned: Collection[str] = (),
                 log: Callable[[str], None] = lambda line: None) -> None:
        self.strategy = strategy
        self.pinned = pinned  # parameters that somebody has set here: another value of the host's is not taken silently
        self.log = log
        self.closed: str | None = None
        self._batch = type(strategy).on_batch is not Strategy.on_batch
        self._dtypes: dict[int, Any] = {}
        self._fresh = False
        own = type(strategy)
        self.client = Client(url, name=strategy.name, version=strategy.version, rights="trade", token=token, ca=ca, certificate=certificate, key=key,
                             server_name=server_name, universe=" ".join(strategy.universe) or None, bars=json.dumps(bar_texts(own.bars)) if own.bars else None, connect_ms=connect_ms, hello=hello,
                             params=json.dumps({name: str(value) for name, value in strategy.params.items()}) if strategy.params else None)
        self._handlers: dict[int, Callable[[Event], None]] = {
            wire.TICKS: self._batches if self._batch else self._ticks, wire.BARS: self._bars, wire.POSITIONS: self._positions,
            wire.ALLOCATIONS: self._allocations, wire.ORDERS: self._orders, wire.INSTRUMENTS: self._instruments, wire.LOST: self._lost, wire.ASK: self._asked,
            wire.JOINED: self._joined, wire.AWAY: self._away, wire.STALE: self._stale, wire.LIVE: self._live, wire.REFUSED: self._refused,
            wire.CLOSED: self._ended}

    def step(self, timeout_ms: int = -1) -> bool:
        """Handles one event; False: there was none within the time, or the session is over."""
        event = self.client.poll(timeout_ms)
        if event is None:
            return False
        handler = self._handlers.get(event.kind)
        if handler:
            handler(event)
        return self.closed is None

    def run(self) -> None:
        """Until the host says that it is over; HadronError then, with its words."""
        while self.closed is None:
            self.step()
        self.strategy.on_stop()
        raise HadronError(self.closed)

    def close(self) -> None:
        self.client.close()

    # ---- messages ----

    @staticmethod
    def _each(event: Event, unpack: Callable[[memoryview, int], Any]) -> Iterator[Any]:
        data = event.bytes()
        for at in range(0, len(data), event.stride):
            yield unpack(data, at)

    def _send(self) -> None:
        decisions = self.strategy._take()
        if decisions:
            self.client.decide(decisions)

    def _begin(self) -> None:
        """The snapshot at the beginning of a stream is over with the first thing that is none of it."""
        if self._fresh:
            self._fresh = False
            self.strategy.on_start()
            self._send()

    def _ticks(self, event: Event) -> None:
        self._begin()
        strategy, on_tick, make = self.strategy, self.strategy.on_tick, Tick._make
        data, stride = event.bytes(), event.stride
        rows = _tick.iter_unpack(data) if stride == _tick.size else (_tick.unpack_from(data, at) for at in range(0, len(data), stride))
        for row in rows:
            strategy.now_ns, strategy.cause = row[1], row[2]
            on_tick(make(row))
            if strategy._decisions:
                self._send()

    def _batches(self, event: Event) -> None:
        self._begin()
        import numpy

        dtype = self._dtypes.get(event.stride)
        if dtype is None:
            dtype = self._dtypes[event.stride] = numpy.dtype(dict(DTYPES[1], itemsize=event.stride))  # type: ignore[call-overload]
        ticks = numpy.frombuffer(event.bytes(), dtype=dtype)
        ticks.flags.writeable = False
        self.strategy.now_ns, self.strategy.cause = int(ticks["recv_ns"][-1]), int(ticks["sequence"][-1])
        self.strategy.on_batch(ticks)
        self._send()

    def _bars(self, event: Event) -> None:
        self._begin()
        for bar in self._each(event, Bar.unpack):
            self.strategy.cause = bar.sequence
            self.strategy.on_bar(bar)
            self._send()

    def _positions(self, event: Event) -> None:
        for position in self._each(event, Position.unpack):
            self.strategy._put(position)

    def _allocations(self, event: Event) -> None:
        self._begin()
        for allocation in self._each(event, Allocation.unpack):
            self.strategy.on_execution(allocation)
            self._send()

    def _orders(self, event: Event) -> None:
        self._begin()
        for change in self._each(event, OrderEvent.unpack):
            self.strategy.on_order(change)
            self._send()

    def _instruments(self, event: Event) -> None:
        for definition in self._each(event, Instrument.unpack):
            self.strategy.instruments[definition.instrument] = definition

    def _lost(self, event: Event) -> None:
        self._begin()
        for first, last, count, _, _ in self._each(event, _lost.unpack_from):
            self.log(f"lost {count} ticks, {first} to {last}: this side is too slow")
            self.strategy.on_lost(first, last, count)

    # ---- the session ----

    def _joined(self, event: Event) -> None:
        welcome = json.loads(event.words())
        strategy = self.strategy
        if event.flags & wire.RESUMED:
            self.log("back: the stream goes on where it broke")
            return
        for name, value in (welcome.get("params") or {}).items():
            found = convert(value, type(strategy).params.get(name), name)
            if name in self.pinned and found != strategy.params[name]:
                self.closed = (f"--set {name}={strategy.params[name]}: the host runs {strategy.name} {strategy.version} with {name} = {value}; change it there (`hadron set "
                               f"strategies.{strategy.name}.params.{name}=...`, its configuration or its deployment), or leave --set out")
                return
            strategy.params[name] = found
        strategy.session = Session(session=welcome["session"], epoch=int(welcome["epoch"]), arm=welcome.get("arm", 0), host=welcome.get("host", ""),
                                  mode=welcome.get("mode", ""), version=welcome.get("version", ""), heartbeat_ms=welcome.get("heartbeat_ms", 0),
                                  stale_ms=welcome.get("stale_ms", 0))
        strategy.instruments.clear()
        strategy._holdings.clear()
        self._fresh = True
        role = welcome.get("role") or "not deployed yet"
        self.log(f"joined {strategy.session.host or 'the host'} as {strategy.name} {strategy.version}, arm {strategy.session.arm}, {role}, {strategy.session.mode}")

    def _away(self, event: Event) -> None:
        words = event.words() or "connection lost"
        if "there is no session on this connection" in words:  # another seat, another deployment, another life of the host
            self.log("the host has ended the session; joining again")
        else:
            self.log(f"{'not let in' if event.code else 'the host is away'}: {words}; trying again")

    def _stale(self, event: Event) -> None:
        self.strategy.stale = True
        self.strategy.on_stale()

    def _live(self, event: Event) -> None:
        self.strategy.stale = False
        self.strategy.on_live()

    def _refused(self, event: Event) -> None:
        code, text = ERRORS.get(event.code, (str(event.code), "unknown error"))
        self.log(f"decision {event.sequence} was refused: {text} ({code})")
        self.strategy.on_refused(event.sequence, code)

    def _ended(self, event: Event) -> None:
        self.closed = event.words() or f"the session is over: {event.code}"

    # ---- what the host asks ----

    def _asked(self, event: Event) -> None:
        assert event.data is not None
        number, now_ns, verb, _, _, _ = _ask.unpack_from(event.bytes(), 0)
        if verb == _PARAMS:
            self.client.answer(number, self._set(event.words()), b"")
            return
        # Lock-step, in a backtest: all before it is handled; its decisions go out first.
        self.strategy.now_ns = now_ns
        self._begin()
        if verb == _STEP:
            self.client.answer(number, 0, struct.pack("<q", 2**63 - 1))
        else:
            self.client.answer(number, 0 if verb in (_START, _STOP, _CREATE) else wire.UNSUPPORTED, b"")

    def _set(self, words: str) -> int:
        """An operator has changed parameters: all of them or none."""
        strategy = self.strategy
        try:
            values = {name: convert(value, type(strategy).params.get(name), name) for name, value in json.loads(words).items()}
        except (HadronError, ValueError) as fault:
            self.log(f"parameters that the host has changed: {fault}")
            return wire.ARGUMENT
        changed = {name: value for name, value in values.items() if strategy.params.get(name) != value}
        strategy.params.update(changed)
        if changed:
            self.log(f"set by the host: {', '.join(f'{name} = {value}' for name, value in changed.items())}")
            strategy.on_params()
        return 0
