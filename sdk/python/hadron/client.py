"""libhadron by ctypes: what sdk/client/include/hadron/client.h declares, and no more. Strategies use hadron.run."""
from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

TICKS, BARS, POSITIONS, ALLOCATIONS, ORDERS, INSTRUMENTS, MARKS, LOST, ASK, MESSAGE = range(1, 11)
JOINED, AWAY, STALE, LIVE, HEARTBEAT = range(16, 21)
ACK, REFUSED = 24, 25
ADMIN, RESET, SNAPSHOT = 32, 33, 34
CLOSED = 48
ARGUMENT, UNSUPPORTED = -1, -12  # enum hadron_error
RESUMED, OF_SNAPSHOT, REPAIRED = 1, 2, 4


class Options(Structure):
    _fields_ = [("struct_size", c_uint32), ("window", c_uint32)] + [
        (name, c_char_p) for name in ("url", "name", "version", "rights", "token", "ca", "certificate", "key", "server_name", "universe", "params", "bars",
                                      "hello")] + [("batch", c_uint32), ("connect_ms", c_uint32)]


class Event(Structure):
    _fields_ = [("kind", c_uint32), ("flags", c_uint32), ("template_id", c_uint32), ("count", c_uint32), ("stride", c_uint32), ("code", c_int32),
                ("epoch", c_uint64), ("sequence", c_uint64), ("lost", c_uint64), ("host_ns", c_int64), ("stream", c_uint32), ("text_size", c_uint32),
                ("data", c_void_p), ("text", c_void_p)]

    kind: int
    flags: int
    template_id: int
    count: int
    stride: int
    code: int
    epoch: int
    sequence: int
    lost: int
    host_ns: int
    stream: int
    text_size: int
    data: int | None
    text: int | None

    def words(self) -> str:
        return ctypes.string_at(self.text, self.text_size).decode("utf-8", "replace") if self.text else ""

    def bytes(self) -> memoryview:
        """The messages, where they were received: valid until the next poll."""
        if not self.data or not self.count:
            return memoryview(b"")
        return memoryview((c_char * (self.count * self.stride)).from_address(self.data)).cast("B")


class Figures(Structure):
    _fields_ = [(name, c_uint64) for name in ("packets", "bytes", "messages", "duplicates", "damaged", "rewinds", "lost", "joined", "resumed", "decisions",
                                              "acknowledged", "refused")]


class HadronError(Exception):
    """What libhadron, or the host, has refused."""


def _places() -> list[str]:
    here = pathlib.Path(__file__).resolve().parent
    return [place for place in (os.environ.get("HADRON_LIBRARY"), str(here / "libhadron.so"), str(here.parents[2] / "build" / "release" / "lib" / "libhadron.so"),
                                ctypes.util.find_library("hadron"), "libhadron.so") if place]


def _load() -> ctypes.CDLL:
    tried = []
    for place in _places():
        try:
            library = ctypes.CDLL(place)
        except OSError as fault:
            tried.append(f"{place}: {fault}")
            continue
        declare(library)
        return library
    raise HadronError("libhadron.so was not found; build it (`cmake --build --preset release --target hadron_client`) or say where it is in "
                      "HADRON_LIBRARY. Tried: " + "; ".join(tried))


def declare(library: ctypes.CDLL) -> None:
    """Arguments and results of the functions that are used here."""
    table: dict[str, tuple[Any, list[Any]]] = {
        "hadron_client_words": (c_char_p, []),
        "hadron_client_version": (c_char_p, []),
        "hadron_client_open": (c_int32, [POINTER(Options), POINTER(c_void_p)]),
        "hadron_client_close": (None, [c_void_p]),
        "hadron_client_poll": (c_int32, [c_void_p, c_int32, POINTER(Event)]),
        "hadron_client_fd": (c_int, [c_void_p]),
        "hadron_client_due": (c_int32, [c_void_p]),
        "hadron_client_wake": (None, [c_void_p]),
        "hadron_client_heartbeats": (None, [c_void_p, c_int32]),
        "hadron_client_decide": (c_int32, [c_void_p, c_char_p, c_uint32, POINTER(c_uint64)]),
        "hadron_client_answer": (c_int32, [c_void_p, c_uint64, c_int32, c_char_p, c_uint32]),
        "hadron_client_admin": (c_int32, [c_void_p, c_char_p]),
        "hadron_client_figures": (None, [c_void_p, POINTER(Figures)]),
    }
    for name, (result, arguments) in table.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


_library: ctypes.CDLL | None = None


def library() -> ctypes.CDLL:
    global _library
    if _library is None:
        _library = _load()
    return _library


class Client:
    """One session with a host. Belongs to one thread at a time; wake() is for any."""

    def __init__(self, url: str, **options: str | int | None) -> None:
        self._library = library()
        values = Options(struct_size=ctypes.sizeof(Options), url=url.encode())
        for name, value in options.items():
            if value is not None:
                setattr(values, name, value.encode() if isinstance(value, str) else value)
        handle = c_void_p()
        self._handle: c_void_p | None = None
        if self._library.hadron_client_open(byref(values), byref(handle)):
            raise HadronError(self.last_words())
        self._handle = handle
        self.event = Event()

    def last_words(self) -> str:
        words: bytes = self._library.hadron_client_words() or b""
        return words.decode("utf-8", "replace")

    def poll(self, timeout_ms: int = -1) -> Event | None:
        """What is next; None: nothing within the time. The event is the same object each time."""
        code = self._library.hadron_client_poll(self._handle, timeout_ms, byref(self.event))
        if self.event.kind == 0:
            return None
        if code and self.event.kind != CLOSED:
            raise HadronError(self.last_words())
        return self.event

    def decide(self, decisions: list[bytes]) -> int:
        """The number of the first one."""
        number = c_uint64()
        if self._library.hadron_client_decide(self._handle, b"".join(decisions), len(decisions), byref(number)):
            raise HadronError(self.last_words())
        return number.value

    def answer(self, number: int, code: int, data: bytes) -> None:
        if self._library.hadron_client_answer(self._handle, number, code, data, len(data)):
            raise HadronError(self.last_words())

    def heartbeats(self, on: bool) -> None:
        self._library.hadron_client_heartbeats(self._handle, on)

    def figures(self) -> dict[str, int]:
        figures = Figures()
        self._library.hadron_client_figures(self._handle, byref(figures))
        return {name: getattr(figures, name) for name, _ in Figures._fields_}

    def wake(self) -> None:
        """Makes a poll that waits return; for any thread, and for a signal's handler."""
        if self._handle is None:
            return
        self._library.hadron_client_wake(self._handle)

    def close(self) -> None:
        if self._handle is not None:
            self._library.hadron_client_close(self._handle)
            self._handle = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
