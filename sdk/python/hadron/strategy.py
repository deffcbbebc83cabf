"""What a strategy is made of: a class with callbacks. The same class runs in a backtest and live.

    import hadron

    class MyStrategy(hadron.Strategy):
        name, version, universe = "my_strategy", "1.0.0", ["BTC*"]
        params = {"length": 20}

        def on_tick(self, tick):
            if tick.kind == hadron.TickKind.TRADE and tick.price > hadron.price("100"):
                self.target(tick.instrument, hadron.quantity("0.5"))

Callbacks are called one at a time, in the order in which the host handled what they tell. They must not block for long: a strategy that does
not come back within the host's limits is silent for it, and its decisions are refused until it is back."""
from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any, Sequence

from .messages import Allocation, Bar, DecisionKind, Instrument, OrderEvent, OrderType, Position, Side, Tick, TimeInForce

if TYPE_CHECKING:
    import numpy

_decision = struct.Struct("<16sQQqqdddqqqQIIBBBBBBHq")
_NO_TRACE = bytes(16)


@dataclasses.dataclass
class Holding:
    """What the arm has in an instrument; quantities in 1e-8, prices in 1e-9."""
    position: int = 0
    working_buy: int = 0
    working_sell: int = 0
    average_entry: int = 0


@dataclasses.dataclass(frozen=True)
class Session:
    """What the host said when the strategy was let in."""
    session: int
    epoch: int
    arm: int
    host: str
    mode: str
    version: str
    heartbeat_ms: int
    stale_ms: int


class Strategy:
    """Derive from this one. Class attributes say who it is; callbacks that are not overridden are not called."""
    name: str = ""                          # [a-z0-9_-]{1,63}: the section of the host's configuration that it trades for
    version: str = "0.1.0"
    universe: Sequence[str] = ()            # instruments or globs; none: all that its section names
    params: dict[str, Any] = {}             # what the host's configuration says under params is put on top, as texts of the same type
    bars: Sequence[str | tuple[str, str]] = ()  # "1m": time bars; ("tick", "100"); ("volume", "10")

    def __init__(self) -> None:
        self.params = dict(type(self).params)
        self.instruments: dict[int, Instrument] = {}
        self.session: Session | None = None
        self.stale = False                  # the host was not heard of, or is behind: nothing is decided meanwhile
        self.now_ns = 0                     # the host's clock: that of what is handled
        self.cause = 0                      # sequence of the tick that is handled
        self._holdings: dict[int, Holding] = {}
        self._decisions: list[bytes] = []

    # ---- what happens; override what is wanted ----

    def on_start(self) -> None:
        """The host has let it in: self.session, self.instruments and positions are there. Again after every new session."""

    def on_tick(self, tick: Tick) -> None:
        """One tick of the universe."""

    def on_batch(self, ticks: "numpy.ndarray[Any, Any]") -> None:
        """All ticks that had come, oldest first, as a structured array over the received bytes: columns as in hadron.messages.DTYPES[1], valid until
        it returns. Where a class has on_batch, on_tick is not called. Decisions answer to the last of them."""

    def on_bar(self, bar: Bar) -> None:
        """One finished bar of those in `bars`."""

    def on_execution(self, execution: Allocation) -> None:
        """This strategy's share of an execution."""

    def on_order(self, event: OrderEvent) -> None:
        """One of its orders has changed its state."""

    def on_params(self) -> None:
        """An operator has changed parameters: self.params has them. A version whose class has this one takes changes while it runs."""

    def on_lost(self, first: int, last: int, count: int) -> None:
        """Ticks that it will not get, because it was too slow: their sequences and how many of its universe."""

    def on_stale(self) -> None:
        """The host was not heard of for too long."""

    def on_live(self) -> None:
        """It is there again; what was missed has been told."""

    def on_refused(self, number: int, code: str) -> None:
        """A decision that the host did not take."""

    def on_stop(self) -> None:
        """It ends."""

    # ---- what it knows ----

    def holding(self, instrument: int) -> Holding:
        return self._holdings.get(instrument) or Holding()

    def position(self, instrument: int) -> int:
        """Signed, in 1e-8."""
        return self.holding(instrument).position

    def find(self, name: str) -> int:
        """The number of an instrument by its canonical name; KeyError if it is not in the universe."""
        for number, definition in self.instruments.items():
            if definition.name == name:
                return number
        raise KeyError(f"{name}: not in the universe of {self.name}: {', '.join(d.name for d in self.instruments.values())}")

    # ---- what it wants; units of 1e-9 and 1e-8, as hadron.price() and hadron.quantity() make them ----

    def buy(self, instrument: int, quantity: int = 0, **view: Any) -> None:
        """Buy so much; 0: the allocator sizes it. view: see decide."""
        self.decide(instrument, DecisionKind.SIDE, side=Side.BUY, quantity=quantity, **view)

    def sell(self, instrument: int, quantity: int = 0, **view: Any) -> None:
        self.decide(instrument, DecisionKind.SIDE, side=Side.SELL, quantity=quantity, **view)

    def target(self, instrument: int, position: int, **view: Any) -> None:
        """Hold this position, signed, from now on."""
        self.decide(instrument, DecisionKind.TARGET, quantity=position, **view)

    def work(self, instrument: int, slot: int, side: Side, quantity: int, limit: int, **view: Any) -> None:
        """Keep an order in the book: slot 1..16; quantity 0 withdraws it."""
        self.decide(instrument, DecisionKind.WORK, side=side, quantity=quantity, limit=limit, slot=slot, **view)

    def decide(self, instrument: int, kind: DecisionKind, *, side: Side = Side.INVALID, quantity: int = 0, limit: int = 0, stop: int = 0,
               mean_return: float = 0.0, uncertainty: float = 0.0, confidence: float = 0.0, horizon_ns: int = 0, key: int = 0,
               order_type: OrderType = OrderType.INVALID, time_in_force: TimeInForce = TimeInForce.INVALID, flags: int = 0, regime: int = 0,
               slot: int = 0, expire_ns: int = 0, cause: int | None = None) -> None:
        """What the strategy wants for one instrument. mean_return: expected over the horizon, 0.001 = 10 basis points; uncertainty: its standard
        deviation; confidence: 0..1; limit, stop: prices of 1e-9, 0 for none; key tells apart what is meant to be repeated. cause: sequence of the
        tick that it answers to; None: the one that is handled."""
        for name, value in (("quantity", quantity), ("limit", limit), ("stop", stop)):
            if not isinstance(value, int):
                raise TypeError(f"{name} {value!r}: whole units are wanted; make them by hadron.price() or hadron.quantity()")
        self._decisions.append(_decision.pack(_NO_TRACE, self.cause if cause is None else cause, 0, 0, horizon_ns, mean_return, uncertainty, confidence, limit,
                                              stop, quantity, key, instrument, 0, kind, side, order_type, time_in_force, flags, regime, slot, expire_ns))

    # ---- the runner's side ----

    def _put(self, position: Position) -> None:
        self._holdings[position.instrument] = Holding(position.position, position.working_buy, position.working_sell, position.average_entry)

    def _take(self) -> list[bytes]:
        taken, self._decisions = self._decisions, []
        return taken
