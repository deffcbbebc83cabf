"""Hadron's messages, as sdk/schema/hadron.xml has them. Made by script/python_messages.py; not to be edited.

Prices are integers of 1e-9, quantities of 1e-8, money of 1e-6; times are nanoseconds since the Unix epoch, UTC; 0 means absent."""
from __future__ import annotations

import enum
import struct
from typing import Any, NamedTuple


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


class Side(enum.IntEnum):
    INVALID = 0
    BUY = 1
    SELL = 2


class TickKind(enum.IntEnum):
    INVALID = 0
    TRADE = 1
    QUOTE = 2
    BOOK = 3
    STATUS = 4


class TickFlag(enum.IntFlag):
    SNAPSHOT = 1
    SYNTHETIC = 2
    GAP = 4
    STALE = 8
    SUSPICIOUS = 16
    LAST = 32
    CONFLATED = 64


class BookAction(enum.IntEnum):
    INVALID = 0
    SET = 1
    ADD = 2
    MODIFY = 3
    CANCEL = 4
    CLEAR = 5


class BarKind(enum.IntEnum):
    INVALID = 0
    TIME = 1
    TICK = 2
    VOLUME = 3


class DecisionKind(enum.IntEnum):
    INVALID = 0
    SIDE = 1
    TARGET = 2
    WORK = 3


class OrderType(enum.IntEnum):
    INVALID = 0
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4


class TimeInForce(enum.IntEnum):
    INVALID = 0
    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    GTD = 5


class OrderFlag(enum.IntFlag):
    POST_ONLY = 1
    REDUCE_ONLY = 2
    SHADOW = 128


class IntentKind(enum.IntEnum):
    INVALID = 0
    NEW = 1
    CANCEL = 2
    REPLACE = 3


class OrderState(enum.IntEnum):
    INVALID = 0
    INITIALIZED = 1
    DENIED = 2
    PENDING_SUBMIT = 3
    SUBMITTED = 4
    ACCEPTED = 5
    PARTIALLY_FILLED = 6
    PENDING_CANCEL = 7
    PENDING_REPLACE = 8
    FILLED = 9
    CANCELED = 10
    REJECTED = 11
    EXPIRED = 12
    UNKNOWN = 13


class OrderChange(enum.IntEnum):
    INVALID = 0
    DENY = 1
    QUEUE = 2
    SEND = 3
    SEND_FAIL = 4
    LOSE = 5
    CANCEL = 6
    REPLACE = 7
    ACCEPT = 8
    REJECT = 9
    FILL = 10
    CANCELED = 11
    CANCEL_REJECT = 12
    REPLACED = 13
    REPLACE_REJECT = 14
    EXPIRE = 15
    ABSENT = 16
    TRIGGER = 17
    BUST = 18
    POSITION = 19
    LIST_BEGIN = 20
    LIST_END = 21


class Liquidity(enum.IntEnum):
    INVALID = 0
    MAKER = 1
    TAKER = 2


class Mode(enum.IntEnum):
    INVALID = 0
    DRY_RUN = 1
    PAPER = 2
    LIVE = 3
    BACKTEST = 4


class DeploymentStage(enum.IntEnum):
    INVALID = 0
    START = 1
    OPEN = 2
    SETTLE = 3
    FOUND = 4
    UNFOUND = 5


class PlacedChange(enum.IntEnum):
    INVALID = 0
    JOINED = 1
    SILENT = 2
    BACK = 3
    LEFT = 4
    RESTART = 5
    FENCED = 6
    LOST = 7
    TAKEN = 8


class SwapStage(enum.IntEnum):
    INVALID = 0
    COMMIT = 1
    FIRST = 2


class ShareKind(enum.IntEnum):
    INVALID = 0
    PART = 1
    MOVED = 2


class VenueState(enum.IntEnum):
    INVALID = 0
    CONNECTING = 1
    AUTHENTICATING = 2
    RECONCILING = 3
    READY = 4
    DEGRADED = 5
    DOWN = 6
    FINISHED = 7


_tick = struct.Struct("<qqQIHBB4q")


class Tick(NamedTuple):
    """One normalised market event, one cache line."""
    event_ns: int  # when it happened (venue)
    recv_ns: int  # when the host, or the recorder, had it (host)
    sequence: int  # from a venue: the venue's sequence per listing, 0 if none; after normalize: the host's, +1 per tick
    instrument: int  # from a venue: the listing handle it resolved; after normalize: the canonical instrument
    venue: int  # venue number (host)
    kind: int  # enum hadron_tick_kind
    flags: int  # enum hadron_tick_flag bits
    value0: int
    value1: int
    value2: int
    value3: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Tick:
        return cls._make(_tick.unpack_from(data, offset))

    # kind TRADE
    @property
    def price(self) -> int: return self.value0
    @property
    def quantity(self) -> int: return self.value1
    @property
    def trade_id(self) -> int: return self.value2 & 0xFFFFFFFFFFFFFFFF
    # kind QUOTE; 0: that side is empty
    @property
    def bid(self) -> int: return self.value0
    @property
    def ask(self) -> int: return self.value1
    @property
    def bid_size(self) -> int: return self.value2
    @property
    def ask_size(self) -> int: return self.value3
    # kind BOOK: price and quantity as above
    @property
    def order_id(self) -> int: return self.value2 & 0xFFFFFFFFFFFFFFFF
    @property
    def side(self) -> int: return self.value3 & 0xFF
    @property
    def action(self) -> int: return self.value3 >> 8 & 0xFF
    # kind STATUS
    @property
    def state(self) -> int: return self.value0


_bar = struct.Struct("<qqQIHBBqqqqqqqI4x")


class Bar(NamedTuple):
    """Bar"""
    open_ns: int  # [open_ns, close_ns) for time bars; first and last tick's event time else
    close_ns: int  # [open_ns, close_ns) for time bars; first and last tick's event time else
    sequence: int  # of the last tick in it
    instrument: int
    venue: int  # of the last tick in it
    kind: int  # enum hadron_bar_kind
    flags: int  # 0
    open: int  # of trades; of mid prices where the instrument only quotes
    high: int  # of trades; of mid prices where the instrument only quotes
    low: int  # of trades; of mid prices where the instrument only quotes
    close: int  # of trades; of mid prices where the instrument only quotes
    volume: int
    vwap: int  # volume-weighted; the close where volume is 0
    interval: int  # ns, ticks, or 1e-8 units, by kind
    ticks: int  # trades (or quotes) in it

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Bar:
        return cls._make(_bar.unpack_from(data, offset))


_decision = struct.Struct("<16sQQqqdddqqqQIIBBBBBBHq")


class Decision(NamedTuple):
    """What one strategy wants for one instrument. The strategy fills the fields marked so; the host stamps the rest."""
    trace: bytes  # host
    cause: int  # sequence of the tick that caused it (host)
    id: int  # +1 per decision of the session (host)
    time_ns: int  # host
    horizon_ns: int  # strategy: how long the view holds; 0 unsaid
    mean_return: float  # strategy: expected return over the horizon, 0.001 = 10 basis points
    uncertainty: float  # strategy: standard deviation of that return, >= 0
    confidence: float  # strategy: [0, 1]
    limit: int  # strategy: worst price; 0 for a market order
    stop: int  # strategy: trigger price of stop orders; 0 else
    quantity: int  # strategy: SIDE, WORK: > 0 (WORK: 0 withdraws); TARGET: signed position; 0 in SIDE: the allocator sizes
    key: int  # strategy: tells apart intents that are meant to repeat; 0 else
    instrument: int  # strategy
    arm: int  # host
    kind: int  # strategy: enum hadron_decision_kind
    side: int  # strategy: enum hadron_side; for TARGET computed
    order_type: int  # strategy: enum hadron_order_type; 0: LIMIT if `limit` is set, else MARKET
    time_in_force: int  # strategy: enum hadron_time_in_force; 0: IOC for market, DAY for the others
    flags: int  # strategy: enum hadron_order_flag bits
    regime: int  # strategy: its own label of the market's regime; 0 unsaid
    slot: int  # strategy: WORK only, [1, 16]
    expire_ns: int  # strategy: GTD only

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Decision:
        return cls._make(_decision.unpack_from(data, offset))


_opportunity = struct.Struct("<16sQQqdddqqqIIII")


class Opportunity(NamedTuple):
    """The allocator's blended view of one instrument: the decision log. Followed by its contributions."""
    trace: bytes  # of the decision that closed the merge
    cause: int
    id: int  # +1 per merge
    time_ns: int
    mean_return: float  # computed: blended
    uncertainty: float  # computed: blended
    confidence: float  # computed: blended
    net: int  # signed: what goes to the market
    crossed: int  # what the arms traded with each other, >= 0
    reference: int  # price at which they crossed: mid, else last
    instrument: int
    decisions: int  # how many went in
    conflicts: int  # of them, how many wanted the other side
    intents: int  # how many came out

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Opportunity:
        return cls._make(_opportunity.unpack_from(data, offset))


_intent = struct.Struct("<16sQQQQqqqqqqQ24sIIHBBBBBB")


class Intent(NamedTuple):
    """A sized order request, before risk."""
    trace: bytes
    cause: int
    id: int  # +1 per intent
    opportunity: int  # id
    decision: int  # id of the leading decision
    time_ns: int
    expire_ns: int
    limit: int
    stop: int
    reference: int  # mid or last when it was made (computed)
    quantity: int  # > 0
    key: int
    order: str  # CANCEL and REPLACE: the order meant; NEW: zero
    instrument: int
    arm: int  # 0: several, see the opportunity
    venue: int
    kind: int  # enum hadron_intent_kind
    side: int
    order_type: int
    time_in_force: int
    flags: int
    slot: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Intent:
        v = _intent.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], _text(v[12]), v[13], v[14], v[15], v[16], v[17], v[18], v[19], v[20], v[21])


_order = struct.Struct("<16sQQqqqqq24s24s40sIIIHBBBBB5x")


class Order(NamedTuple):
    """An order as it goes to a venue."""
    trace: bytes
    cause: int
    intent: int  # id
    time_ns: int  # host: when it was made
    expire_ns: int
    limit: int
    stop: int
    quantity: int  # > 0
    client_order_id: str
    replaces: str  # REPLACE: the order that this one takes the place of; else zero
    venue_order_id: str  # of `replaces` or of the order to cancel, where known; NUL-padded
    instrument: int
    listing: int  # handle of (venue, symbol)
    arm: int
    venue: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    slot: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Order:
        v = _order.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], _text(v[8]), _text(v[9]), _text(v[10]), v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19])


_order_event = struct.Struct("<16sQQQqq24s40sqqqqqqqIIHHBBBBBBBB4x64s")


class OrderEvent(NamedTuple):
    """One transition of one order."""
    trace: bytes
    cause: int
    id: int  # +1 per order event
    intent: int
    time_ns: int  # host
    venue_ns: int  # venue; 0 for the host's own changes
    client_order_id: str
    venue_order_id: str
    limit: int
    stop: int
    average: int  # of the fills so far (computed)
    quantity: int  # ordered
    filled: int  # so far
    actual: int  # DENY: both numbers of the failed check, in the check's unit
    bound: int  # DENY: both numbers of the failed check, in the check's unit
    instrument: int
    arm: int
    venue: int
    reason: int  # DENY: enum hadron_risk_reason; REJECT: low 16 bits of the venue's code
    from_: int  # enum hadron_order_state
    to: int  # enum hadron_order_state
    change: int  # enum hadron_order_change
    side: int
    order_type: int
    time_in_force: int
    flags: int
    slot: int
    text: str  # the venue's words or the check's name, NUL-padded

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> OrderEvent:
        v = _order_event.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], _text(v[6]), _text(v[7]), v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19], v[20], v[21], v[22], v[23], v[24], v[25], v[26], _text(v[27]))


_execution = struct.Struct("<16sQQQqq24s40sqqqqIIHBBB3x")


class Execution(NamedTuple):
    """What the venue says was traded. Each is followed by the allocations that share it out."""
    trace: bytes
    cause: int
    id: int  # +1 per execution
    intent: int
    time_ns: int
    venue_ns: int
    client_order_id: str
    execution_id: str
    price: int
    quantity: int  # > 0
    filled: int  # of the order, with this one
    fee: int
    instrument: int
    arm: int  # 0: several
    venue: int
    side: int
    liquidity: int
    flags: int  # 1: taken back (bust); 2: order was not ours; 128: of a shadow arm

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Execution:
        v = _execution.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], _text(v[6]), _text(v[7]), v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17])


_allocation = struct.Struct("<QQQqqqqqqqIIBB6x")


class Allocation(NamedTuple):
    """One arm's share of an execution, or of a cross inside the house. The books are the sum of these and nothing else."""
    id: int  # +1 per allocation
    execution: int  # id; 0: crossed inside the house
    opportunity: int  # id; 0 if not known
    time_ns: int
    price: int
    quantity: int  # > 0
    fee: int
    realized: int  # P&L that this share closed, before fees (computed)
    position: int  # of the arm in the instrument, afterwards, signed (computed)
    cost: int  # of that position, signed (computed)
    instrument: int
    arm: int
    side: int
    flags: int  # 1: taken back; 2: transferred from one arm to another; 128: of a shadow arm

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Allocation:
        return cls._make(_allocation.unpack_from(data, offset))


_tick_reject = struct.Struct("<64sI4x")


class TickReject(NamedTuple):
    """A tick that normalize refused, as it came."""
    tick: bytes
    reason: int  # enum hadron_tick_reason

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> TickReject:
        return cls._make(_tick_reject.unpack_from(data, offset))


_instrument = struct.Struct("<IIHBB4xqqq32s32s8s")


class Instrument(NamedTuple):
    """Definition of an instrument, and of one of its listings."""
    instrument: int
    listing: int
    venue: int
    asset: int  # 1 equity, 2 forex, 3 crypto, 4 future, 5 event contract
    flags: int  # 0
    increment: int  # price grid, > 0
    lot: int  # size grid, > 0
    multiplier: int  # contract size, 1e-8 units, > 0
    name: str  # canonical
    symbol: str  # the venue's
    currency: str

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Instrument:
        v = _instrument.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], _text(v[8]), _text(v[9]), _text(v[10]))


_arm = struct.Struct("<IIBBB5xd32s64s32sII")


class Arm(NamedTuple):
    """Arm"""
    arm: int
    revision: int  # of the deployment
    role: int  # 1 live, 2 canary, 3 shadow; 0: it has left
    placement: int  # 1 inline, 2 thread, 3 process, 4 remote
    waits: int  # role 0: 1: its book stays open for the live version that comes next; 0: it is closed
    weight: float
    digest: bytes  # SHA-256 of the artifact
    name: str
    version: str
    split_low: int  # trades the instruments whose share of 0..1000000 lies in [low, high); 0, 0: all
    split_high: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Arm:
        v = _arm.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], _text(v[7]), _text(v[8]), v[9], v[10])


_session = struct.Struct("<16sqQIBB2x")


class Session(NamedTuple):
    """Session"""
    session: bytes  # seed of all trace ids
    time_ns: int
    seed: int
    shards: int
    mode: int  # enum hadron_mode
    flags: int  # 1: end of the session; 2: with threads; 4: on a virtual clock; 8: orders of a round left together

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Session:
        return cls._make(_session.unpack_from(data, offset))


_operator = struct.Struct("<qI4x")


class Operator(NamedTuple):
    """Operator"""
    time_ns: int
    uid: int  # of the peer

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Operator:
        return cls._make(_operator.unpack_from(data, offset))


_timer = struct.Struct("<qqQII")


class Timer(NamedTuple):
    """Timer"""
    due_ns: int
    time_ns: int
    id: int
    arm: int
    instrument: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Timer:
        return cls._make(_timer.unpack_from(data, offset))


_venue_status = struct.Struct("<qHBB4x")


class VenueStatus(NamedTuple):
    """VenueStatus"""
    time_ns: int
    venue: int
    state: int  # enum hadron_venue_state
    seen: int  # 1: from here on orders go by it

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> VenueStatus:
        return cls._make(_venue_status.unpack_from(data, offset))


_alert = struct.Struct("<qiIIHB1x")


class Alert(NamedTuple):
    """Alert"""
    time_ns: int
    code: int  # enum hadron_error, or 0
    arm: int
    instrument: int
    venue: int
    severity: int  # 1 info, 2 warning, 3 critical

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Alert:
        return cls._make(_alert.unpack_from(data, offset))


_adjustment = struct.Struct("<qqqqI4x")


class Adjustment(NamedTuple):
    """A corporate action applied to the books."""
    time_ns: int
    dividend: int  # cash per share; 0 for a split
    numerator: int  # new shares per old; 1/1 for a dividend
    denominator: int  # new shares per old; 1/1 for a dividend
    instrument: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Adjustment:
        return cls._make(_adjustment.unpack_from(data, offset))


_equity = struct.Struct("<qqqqqqqI4x")


class Equity(NamedTuple):
    """A sample of the portfolio (arm 0) or of one arm's book."""
    time_ns: int
    cash: int
    cost: int
    realized: int
    unrealized: int
    fees: int
    gross: int
    arm: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Equity:
        return cls._make(_equity.unpack_from(data, offset))


_venue_report = struct.Struct("<q24s40s40sqqqqIHBBBB6xI4x64s")


class VenueReport(NamedTuple):
    """What a venue says about an order, in the venue's terms. Filled by a venue plugin."""
    venue_ns: int  # when it happened (venue); 0 if it does not say
    client_order_id: str  # zero if the order is not ours
    venue_order_id: str  # NUL-padded
    execution_id: str  # FILL, BUST: the venue's unique id
    price: int  # FILL: of this execution; REPLACED: the new limit
    quantity: int  # FILL: of this execution; REPLACED: the new total
    cumulative: int  # filled so far, by the venue's count; -1 if it does not say
    fee: int  # FILL: > 0 is paid, < 0 is a rebate
    listing: int
    venue: int
    change: int  # enum hadron_order_change, ACCEPT..POSITION, or SEND_FAIL, LOSE
    side: int  # enum hadron_side; needed for orders that are not ours
    liquidity: int  # FILL: enum hadron_liquidity
    flags: int  # 1: an answer to query or reconcile, not news; 128: about a shadow arm's order (host)
    reason: int  # the venue's own code; 0 none
    text: str  # the venue's words, NUL-padded

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> VenueReport:
        v = _venue_report.unpack_from(data, offset)
        return cls(v[0], _text(v[1]), _text(v[2]), _text(v[3]), v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], _text(v[15]))


_swap = struct.Struct("<qqQQIIIIBB6x32s32s64s32s32s")


class Swap(NamedTuple):
    """A change of the version in a seat, or of a venue, allocator or service. Arm definitions of every seat that it changed follow
    the COMMIT."""
    time_ns: int
    pause_ns: int  # FIRST: how long the owning thread handled nothing; 0 on a virtual clock
    last_sequence: int  # of the last tick that the old one saw; 0: none
    first_sequence: int  # FIRST: of the first that the new one saw
    revision: int  # of the deployment
    arm: int  # the seat; venues: the venue's number
    other: int  # the seat that the old one went to; 0: it has left
    state_size: int  # bytes handed over; 0: none
    stage: int  # enum hadron_swap_stage
    kind: int  # enum hadron_plugin_kind
    from_digest: bytes  # SHA-256 of the artifacts; from: zero where there was none
    digest: bytes
    name: str  # of the deployment
    from_version: str
    version: str

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Swap:
        v = _swap.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], _text(v[12]), _text(v[13]), _text(v[14]))


_recovered = struct.Struct("<qqQQQQIIII")


class Recovered(NamedTuple):
    """The host has made its state anew from the journal of earlier runs; what follows is this run's."""
    time_ns: int
    took_ns: int  # 0 on a virtual clock
    position: int  # of the journal, up to which it was read
    snapshot: int  # position of the snapshot that it began with; 0: none
    records: int  # read behind the snapshot
    ticks: int  # read behind the snapshot
    orders_open: int  # afterwards; unknown ones among them
    orders_unknown: int
    orders_ended: int  # that could not outlive the host
    alerts: int  # what a person should look at

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Recovered:
        return cls._make(_recovered.unpack_from(data, offset))


_share = struct.Struct("<24sqqIIIBB2x")


class Share(NamedTuple):
    """Whose an order's fills are, where the order itself does not say it."""
    client_order_id: str  # PART; MOVED: zero
    time_ns: int
    quantity: int  # PART: ordered, > 0
    instrument: int
    arm: int  # 0: nobody's
    from_: int  # MOVED
    kind: int  # enum hadron_share_kind
    flags: int  # 128: of a shadow arm

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Share:
        v = _share.unpack_from(data, offset)
        return cls(_text(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7])


_deployment = struct.Struct("<qIIIBBB1x32s64s32s")


class Deployment(NamedTuple):
    """What is wanted of a name: how a run is built again from its records."""
    time_ns: int  # OPEN: when the new versions were made
    revision: int  # 0: none
    number: int  # the live seat, the venue's number; 0 else
    features: int  # venues: enum hadron_venue_feature bits; 0 else
    kind: int  # enum hadron_plugin_kind
    stage: int  # enum hadron_deployment_stage
    placement: int  # START, OPEN: of a strategy: 1 inline, 2 thread, 3 process, 4 remote; 0: inline
    digest: bytes  # SHA-256 of the artifact; several: of the live one
    name: str  # of the section
    version: str

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Deployment:
        v = _deployment.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], _text(v[8]), _text(v[9]))


_heard = struct.Struct("<qII")


class Heard(NamedTuple):
    """Threads: a shard takes so many pieces of feedback (allocations, order events, views) between two of its other records."""
    time_ns: int
    shard: int
    count_: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Heard:
        return cls._make(_heard.unpack_from(data, offset))


_mark = struct.Struct("<qqqqqQIfI4x")


class Mark(NamedTuple):
    """Threads: what the trading thread knows of an instrument's market from here on."""
    last: int  # 0: not known
    bid: int  # 0: not known
    ask: int  # 0: not known
    event_ns: int  # of the tick that made it
    recv_ns: int  # of the tick that made it
    sequence: int  # of that tick
    state: int  # enum hadron_market_state
    volatility: float  # per-second log return
    instrument: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Mark:
        return cls._make(_mark.unpack_from(data, offset))


_position = struct.Struct("<QqqqqII")


class Position(NamedTuple):
    """To a strategy elsewhere: what its arm has in an instrument, before the allocation or order event that made it so, or by
    itself."""
    after: int  # ticks of the stream that the shard had handled before
    position: int
    working_buy: int
    working_sell: int
    average_entry: int  # 0 when flat
    arm: int
    instrument: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Position:
        return cls._make(_position.unpack_from(data, offset))


_lost = struct.Struct("<QQQI4x")


class Lost(NamedTuple):
    """To a strategy elsewhere: ticks that it will not get, because it was too slow."""
    first: int  # sequence of the first one
    last: int  # sequence of the last one
    count_: int  # of its universe
    arm: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Lost:
        return cls._make(_lost.unpack_from(data, offset))


_ask = struct.Struct("<QqIIII")


class Ask(NamedTuple):
    """To a worker: something to be done after all that came before it in the stream."""
    number: int  # +1 per ASK of the stream
    now_ns: int  # the host's clock
    verb: int  # enum hadron_ask_verb
    instance: int  # LOAD, SAVE: which of the arm's; 0 else
    offset: int  # of the argument: a long one comes in pieces
    total: int  # of the argument: a long one comes in pieces

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Ask:
        return cls._make(_ask.unpack_from(data, offset))


_placed = struct.Struct("<qQQIBBB1x")


class Placed(NamedTuple):
    """What became of the other side of a strategy that does not run on its shard. In the journal."""
    time_ns: int
    sequence: int  # of the last tick that the host had accepted
    count_: int  # restarts, or ticks lost
    arm: int
    change: int  # enum hadron_placed_change
    placement: int  # 2 thread, 3 process, 4 remote
    action: int  # SILENT, FENCED: what becomes of its orders: 1 they stay, 2 cancelled, 3 its position is closed too; 0 else

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Placed:
        return cls._make(_placed.unpack_from(data, offset))


_cost = struct.Struct("<16sQQq24sqqqqqqqqqqIIH6x")


class Cost(NamedTuple):
    """What an order cost the host, stage by stage, in ns of the cycle counter; written when it was sent, on the wall clock. 0: there
    was no such stage."""
    trace: bytes  # the order's
    cause: int
    intent: int
    time_ns: int  # of the event that sent it (host)
    client_order_id: str
    normalize_ns: int  # the tick: checked, stamped, routed
    lane_ns: int  # threads: until its shard took it
    engine_ns: int  # written down, the instrument's state, strategies
    ring_ns: int  # threads: until the trading thread took the decisions
    merge_ns: int  # decisions written down, allocator, intents of the same merge that came before
    risk_ns: int
    gateway_ns: int  # made and recorded
    flush_ns: int  # until it was on the disk (journal.fsync)
    send_ns: int  # the venue's submit; threads: into the ring that leads there
    total_ns: int  # from the beginning of the first of these to the end of the last
    instrument: int
    arm: int  # 0: several
    venue: int

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Cost:
        v = _cost.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], _text(v[4]), v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17])


# Error codes: name and text.
ERRORS: dict[int, tuple[str, str]] = {
    -1: ("HADRON_ERR_ARGUMENT", "argument out of its domain"),
    -2: ("HADRON_ERR_MEMORY", "out of memory"),
    -3: ("HADRON_ERR_OVERFLOW", "integer overflow in a price, quantity or money"),
    -4: ("HADRON_ERR_RANGE", "value out of range"),
    -5: ("HADRON_ERR_PARSE", "text could not be parsed"),
    -6: ("HADRON_ERR_NOT_FOUND", "not found"),
    -7: ("HADRON_ERR_EXISTS", "already exists"),
    -8: ("HADRON_ERR_FULL", "a bounded queue or table is full"),
    -9: ("HADRON_ERR_STATE", "not allowed in this state"),
    -10: ("HADRON_ERR_IO", "input or output failed"),
    -11: ("HADRON_ERR_CORRUPT", "data is damaged"),
    -12: ("HADRON_ERR_UNSUPPORTED", "not supported"),
    -13: ("HADRON_ERR_ABI", "plugin was built for another ABI"),
    -14: ("HADRON_ERR_CAPABILITY", "a required capability is missing"),
    -15: ("HADRON_ERR_PLUGIN", "plugin reported an error"),
    -16: ("HADRON_ERR_SCRIPT", "Lua script raised an error"),
    -17: ("HADRON_ERR_BUDGET", "plugin used up its time, instruction or memory budget"),
    -18: ("HADRON_ERR_RISK", "risk check denied the order"),
    -19: ("HADRON_ERR_KILLED", "kill switch is on"),
    -20: ("HADRON_ERR_STALE", "data is too old to act on"),
    -21: ("HADRON_ERR_CLOSED", "resource is closed"),
    -22: ("HADRON_ERR_TIMEOUT", "timed out"),
    -23: ("HADRON_ERR_AGAIN", "nothing to do now"),
    -24: ("HADRON_ERR_END", "end of data"),
    -25: ("HADRON_ERR_CONFIG", "configuration is wrong"),
    -26: ("HADRON_ERR_DATABASE", "database refused"),
    -27: ("HADRON_ERR_PERMISSION", "not permitted"),
    -28: ("HADRON_ERR_DUPLICATE", "seen before"),
    -29: ("HADRON_ERR_DEPENDENCY", "a needed program or library is missing"),
    -30: ("HADRON_ERR_INTERNAL", "internal invariant broken"),
}


SCHEMA_ID = 4842
SCHEMA_VERSION = 256


# Classes by template id, and the bytes of their root blocks.
MESSAGES: dict[int, type] = {
    1: Tick,
    2: Bar,
    3: Decision,
    4: Opportunity,
    5: Intent,
    6: Order,
    7: OrderEvent,
    8: Execution,
    9: Allocation,
    10: TickReject,
    11: Instrument,
    12: Arm,
    13: Session,
    14: Operator,
    15: Timer,
    16: VenueStatus,
    17: Alert,
    18: Adjustment,
    19: Equity,
    20: VenueReport,
    21: Swap,
    22: Recovered,
    23: Share,
    24: Deployment,
    25: Heard,
    26: Mark,
    27: Position,
    28: Lost,
    29: Ask,
    30: Placed,
    32: Cost,
}


SIZES: dict[int, int] = {
    1: 64,
    2: 96,
    3: 128,
    4: 104,
    5: 144,
    6: 184,
    7: 264,
    8: 168,
    9: 96,
    10: 72,
    11: 112,
    12: 160,
    13: 40,
    14: 16,
    15: 32,
    16: 16,
    17: 24,
    18: 40,
    19: 64,
    20: 232,
    21: 248,
    22: 64,
    23: 56,
    24: 152,
    25: 16,
    26: 64,
    27: 48,
    28: 32,
    29: 32,
    30: 32,
    32: 160,
}


# What numpy.dtype takes, by template id.
DTYPES: dict[int, dict[str, Any]] = {
    1: {'names': ['event_ns', 'recv_ns', 'sequence', 'instrument', 'venue', 'kind', 'flags', 'trade_id', 'conditions', 'aggressor', 'bid', 'ask', 'bid_size', 'ask_size', 'price', 'quantity', 'order_id', 'side', 'action', 'state', 'reason'], 'formats': ['<i8', '<i8', '<u8', '<u4', '<u2', 'u1', 'u1', '<u8', '<u4', 'u1', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u8', 'u1', 'u1', '<u8', '<u8'], 'offsets': [0, 8, 16, 24, 28, 30, 31, 48, 56, 60, 32, 40, 48, 56, 32, 40, 48, 56, 57, 32, 40], 'itemsize': 64},
    2: {'names': ['open_ns', 'close_ns', 'sequence', 'instrument', 'venue', 'kind', 'flags', 'open', 'high', 'low', 'close', 'volume', 'vwap', 'interval', 'ticks'], 'formats': ['<i8', '<i8', '<u8', '<u4', '<u2', 'u1', 'u1', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u4'], 'offsets': [0, 8, 16, 24, 28, 30, 31, 32, 40, 48, 56, 64, 72, 80, 88], 'itemsize': 96},
    3: {'names': ['trace', 'cause', 'id', 'time_ns', 'horizon_ns', 'mean_return', 'uncertainty', 'confidence', 'limit', 'stop', 'quantity', 'key', 'instrument', 'arm', 'kind', 'side', 'order_type', 'time_in_force', 'flags', 'regime', 'slot', 'expire_ns'], 'formats': ['V16', '<u8', '<u8', '<i8', '<i8', '<f8', '<f8', '<f8', '<i8', '<i8', '<i8', '<u8', '<u4', '<u4', 'u1', 'u1', 'u1', 'u1', 'u1', 'u1', '<u2', '<i8'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 108, 112, 113, 114, 115, 116, 117, 118, 120], 'itemsize': 128},
    4: {'names': ['trace', 'cause', 'id', 'time_ns', 'mean_return', 'uncertainty', 'confidence', 'net', 'crossed', 'reference', 'instrument', 'decisions', 'conflicts', 'intents'], 'formats': ['V16', '<u8', '<u8', '<i8', '<f8', '<f8', '<f8', '<i8', '<i8', '<i8', '<u4', '<u4', '<u4', '<u4'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 92, 96, 100], 'itemsize': 104},
    5: {'names': ['trace', 'cause', 'id', 'opportunity', 'decision', 'time_ns', 'expire_ns', 'limit', 'stop', 'reference', 'quantity', 'key', 'order', 'instrument', 'arm', 'venue', 'kind', 'side', 'order_type', 'time_in_force', 'flags', 'slot'], 'formats': ['V16', '<u8', '<u8', '<u8', '<u8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u8', 'S24', '<u4', '<u4', '<u2', 'u1', 'u1', 'u1', 'u1', 'u1', 'u1'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 128, 132, 136, 138, 139, 140, 141, 142, 143], 'itemsize': 144},
    6: {'names': ['trace', 'cause', 'intent', 'time_ns', 'expire_ns', 'limit', 'stop', 'quantity', 'client_order_id', 'replaces', 'venue_order_id', 'instrument', 'listing', 'arm', 'venue', 'side', 'order_type', 'time_in_force', 'flags', 'slot'], 'formats': ['V16', '<u8', '<u8', '<i8', '<i8', '<i8', '<i8', '<i8', 'S24', 'S24', 'S40', '<u4', '<u4', '<u4', '<u2', 'u1', 'u1', 'u1', 'u1', 'u1'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 64, 72, 96, 120, 160, 164, 168, 172, 174, 175, 176, 177, 178], 'itemsize': 184},
    7: {'names': ['trace', 'cause', 'id', 'intent', 'time_ns', 'venue_ns', 'client_order_id', 'venue_order_id', 'limit', 'stop', 'average', 'quantity', 'filled', 'actual', 'bound', 'instrument', 'arm', 'venue', 'reason', 'from_', 'to', 'change', 'side', 'order_type', 'time_in_force', 'flags', 'slot', 'text'], 'formats': ['V16', '<u8', '<u8', '<u8', '<i8', '<i8', 'S24', 'S40', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u4', '<u4', '<u2', '<u2', 'u1', 'u1', 'u1', 'u1', 'u1', 'u1', 'u1', 'u1', 'S64'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 80, 120, 128, 136, 144, 152, 160, 168, 176, 180, 184, 186, 188, 189, 190, 191, 192, 193, 194, 195, 200], 'itemsize': 264},
    8: {'names': ['trace', 'cause', 'id', 'intent', 'time_ns', 'venue_ns', 'client_order_id', 'execution_id', 'price', 'quantity', 'filled', 'fee', 'instrument', 'arm', 'venue', 'side', 'liquidity', 'flags'], 'formats': ['V16', '<u8', '<u8', '<u8', '<i8', '<i8', 'S24', 'S40', '<i8', '<i8', '<i8', '<i8', '<u4', '<u4', '<u2', 'u1', 'u1', 'u1'], 'offsets': [0, 16, 24, 32, 40, 48, 56, 80, 120, 128, 136, 144, 152, 156, 160, 162, 163, 164], 'itemsize': 168},
    9: {'names': ['id', 'execution', 'opportunity', 'time_ns', 'price', 'quantity', 'fee', 'realized', 'position', 'cost', 'instrument', 'arm', 'side', 'flags'], 'formats': ['<u8', '<u8', '<u8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u4', '<u4', 'u1', 'u1'], 'offsets': [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 84, 88, 89], 'itemsize': 96},
    10: {'names': ['tick', 'reason'], 'formats': ['V64', '<u4'], 'offsets': [0, 64], 'itemsize': 72},
    11: {'names': ['instrument', 'listing', 'venue', 'asset', 'flags', 'increment', 'lot', 'multiplier', 'name', 'symbol', 'currency'], 'formats': ['<u4', '<u4', '<u2', 'u1', 'u1', '<i8', '<i8', '<i8', 'S32', 'S32', 'S8'], 'offsets': [0, 4, 8, 10, 11, 16, 24, 32, 40, 72, 104], 'itemsize': 112},
    12: {'names': ['arm', 'revision', 'role', 'placement', 'waits', 'weight', 'digest', 'name', 'version', 'split_low', 'split_high'], 'formats': ['<u4', '<u4', 'u1', 'u1', 'u1', '<f8', 'V32', 'S64', 'S32', '<u4', '<u4'], 'offsets': [0, 4, 8, 9, 10, 16, 24, 56, 120, 152, 156], 'itemsize': 160},
    13: {'names': ['session', 'time_ns', 'seed', 'shards', 'mode', 'flags'], 'formats': ['V16', '<i8', '<u8', '<u4', 'u1', 'u1'], 'offsets': [0, 16, 24, 32, 36, 37], 'itemsize': 40},
    14: {'names': ['time_ns', 'uid'], 'formats': ['<i8', '<u4'], 'offsets': [0, 8], 'itemsize': 16},
    15: {'names': ['due_ns', 'time_ns', 'id', 'arm', 'instrument'], 'formats': ['<i8', '<i8', '<u8', '<u4', '<u4'], 'offsets': [0, 8, 16, 24, 28], 'itemsize': 32},
    16: {'names': ['time_ns', 'venue', 'state', 'seen'], 'formats': ['<i8', '<u2', 'u1', 'u1'], 'offsets': [0, 8, 10, 11], 'itemsize': 16},
    17: {'names': ['time_ns', 'code', 'arm', 'instrument', 'venue', 'severity'], 'formats': ['<i8', '<i4', '<u4', '<u4', '<u2', 'u1'], 'offsets': [0, 8, 12, 16, 20, 22], 'itemsize': 24},
    18: {'names': ['time_ns', 'dividend', 'numerator', 'denominator', 'instrument'], 'formats': ['<i8', '<i8', '<i8', '<i8', '<u4'], 'offsets': [0, 8, 16, 24, 32], 'itemsize': 40},
    19: {'names': ['time_ns', 'cash', 'cost', 'realized', 'unrealized', 'fees', 'gross', 'arm'], 'formats': ['<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u4'], 'offsets': [0, 8, 16, 24, 32, 40, 48, 56], 'itemsize': 64},
    20: {'names': ['venue_ns', 'client_order_id', 'venue_order_id', 'execution_id', 'price', 'quantity', 'cumulative', 'fee', 'listing', 'venue', 'change', 'side', 'liquidity', 'flags', 'reason', 'text'], 'formats': ['<i8', 'S24', 'S40', 'S40', '<i8', '<i8', '<i8', '<i8', '<u4', '<u2', 'u1', 'u1', 'u1', 'u1', '<u4', 'S64'], 'offsets': [0, 8, 32, 72, 112, 120, 128, 136, 144, 148, 150, 151, 152, 153, 160, 168], 'itemsize': 232},
    21: {'names': ['time_ns', 'pause_ns', 'last_sequence', 'first_sequence', 'revision', 'arm', 'other', 'state_size', 'stage', 'kind', 'from_digest', 'digest', 'name', 'from_version', 'version'], 'formats': ['<i8', '<i8', '<u8', '<u8', '<u4', '<u4', '<u4', '<u4', 'u1', 'u1', 'V32', 'V32', 'S64', 'S32', 'S32'], 'offsets': [0, 8, 16, 24, 32, 36, 40, 44, 48, 49, 56, 88, 120, 184, 216], 'itemsize': 248},
    22: {'names': ['time_ns', 'took_ns', 'position', 'snapshot', 'records', 'ticks', 'orders_open', 'orders_unknown', 'orders_ended', 'alerts'], 'formats': ['<i8', '<i8', '<u8', '<u8', '<u8', '<u8', '<u4', '<u4', '<u4', '<u4'], 'offsets': [0, 8, 16, 24, 32, 40, 48, 52, 56, 60], 'itemsize': 64},
    23: {'names': ['client_order_id', 'time_ns', 'quantity', 'instrument', 'arm', 'from_', 'kind', 'flags'], 'formats': ['S24', '<i8', '<i8', '<u4', '<u4', '<u4', 'u1', 'u1'], 'offsets': [0, 24, 32, 40, 44, 48, 52, 53], 'itemsize': 56},
    24: {'names': ['time_ns', 'revision', 'number', 'features', 'kind', 'stage', 'placement', 'digest', 'name', 'version'], 'formats': ['<i8', '<u4', '<u4', '<u4', 'u1', 'u1', 'u1', 'V32', 'S64', 'S32'], 'offsets': [0, 8, 12, 16, 20, 21, 22, 24, 56, 120], 'itemsize': 152},
    25: {'names': ['time_ns', 'shard', 'count_'], 'formats': ['<i8', '<u4', '<u4'], 'offsets': [0, 8, 12], 'itemsize': 16},
    26: {'names': ['last', 'bid', 'ask', 'event_ns', 'recv_ns', 'sequence', 'state', 'volatility', 'instrument'], 'formats': ['<i8', '<i8', '<i8', '<i8', '<i8', '<u8', '<u4', '<f4', '<u4'], 'offsets': [0, 8, 16, 24, 32, 40, 48, 52, 56], 'itemsize': 64},
    27: {'names': ['after', 'position', 'working_buy', 'working_sell', 'average_entry', 'arm', 'instrument'], 'formats': ['<u8', '<i8', '<i8', '<i8', '<i8', '<u4', '<u4'], 'offsets': [0, 8, 16, 24, 32, 40, 44], 'itemsize': 48},
    28: {'names': ['first', 'last', 'count_', 'arm'], 'formats': ['<u8', '<u8', '<u8', '<u4'], 'offsets': [0, 8, 16, 24], 'itemsize': 32},
    29: {'names': ['number', 'now_ns', 'verb', 'instance', 'offset', 'total'], 'formats': ['<u8', '<i8', '<u4', '<u4', '<u4', '<u4'], 'offsets': [0, 8, 16, 20, 24, 28], 'itemsize': 32},
    30: {'names': ['time_ns', 'sequence', 'count_', 'arm', 'change', 'placement', 'action'], 'formats': ['<i8', '<u8', '<u8', '<u4', 'u1', 'u1', 'u1'], 'offsets': [0, 8, 16, 24, 28, 29, 30], 'itemsize': 32},
    32: {'names': ['trace', 'cause', 'intent', 'time_ns', 'client_order_id', 'normalize_ns', 'lane_ns', 'engine_ns', 'ring_ns', 'merge_ns', 'risk_ns', 'gateway_ns', 'flush_ns', 'send_ns', 'total_ns', 'instrument', 'arm', 'venue'], 'formats': ['V16', '<u8', '<u8', '<i8', 'S24', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<i8', '<u4', '<u4', '<u2'], 'offsets': [0, 16, 24, 32, 40, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 148, 152], 'itemsize': 160},
}
