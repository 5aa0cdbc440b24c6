"""A stream's whole history as a file: JSON Lines, one header and then one event a line, in order from version 1.

    {"format":"perdure-history","format_version":1,"stream":"Order/1","type":"Order","events":2,"status":"completed"}
    {"version":1,"type":"RunStarted","data":{"input":{}},"recorded_at":"2026-03-01T09:30:00Z","offset":17}
    {"version":2,"type":"RunCompleted","data":{"result":null},"recorded_at":"2026-03-01T09:30:00Z","offset":18}

Lines come in and values go out; opening files is the caller's business. A payload stands in its line as it was
recorded, to the digit, so that people and other programs can read and edit it; one that is no JSON stands as
`data_base64`. The reader believes nothing: the header says how many events follow, so that a file that was cut off
at the end of a line is found out, too. Whatever is wrong is a `HistoryRefused` that names the file and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from actors.codec import check, decode_any, decoder, plain_encode
from actors.errors import HistoryRefused, InvalidId, PayloadRefused
from actors.names import split_stream
from actors.turn import HistoryEvent

FORMAT = "perdure-history"
FORMAT_VERSION = 1
SUFFIX = ".jsonl"

_ENVELOPE_BYTES = 1024 * 1024  # what stands around a payload in a journal event and in its line
_ENVELOPE_DEPTH = 4
_ONE_LINE = bytes.maketrans(b"\n\r", b"  ")  # in valid JSON both are white space between values
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

T = TypeVar("T")
_Moment = Annotated[datetime, Meta(tz=True)]
_Positive = Annotated[int, Meta(ge=1)]
_Natural = Annotated[int, Meta(ge=0)]


class FullEvent(HistoryEvent, Protocol):
    """Everything that the log keeps of an event."""

    @property
    def partition(self) -> int:
        """Of its stream."""
        ...

    @property
    def offset(self) -> int:
        """Place in the partition, from 1."""
        ...

    @property
    def epoch(self) -> int:
        """The lease epoch under which it was written."""
        ...

    @property
    def schema(self) -> int:
        """Of the payload."""
        ...

    @property
    def causation_id(self) -> str | None:
        """What caused it."""
        ...

    @property
    def correlation_id(self) -> str | None:
        """The flow that it belongs to."""
        ...

    @property
    def trace(self) -> str | None:
        """The trace context."""
        ...


class PastEvent(Struct, gc=False, frozen=True, kw_only=True):
    """An event out of a history: a `FullEvent`, with 0 for what a file need not say."""

    version: int
    type: str
    data: bytes
    recorded_at: datetime
    partition: int = 0
    offset: int = 0
    epoch: int = 0
    schema: int = 1
    causation_id: str | None = None
    correlation_id: str | None = None
    trace: str | None = None


class History(Struct, frozen=True):
    """One stream's events, all of them from version 1 up to some version, with no gap.

    `status` is the listing's (`running`, `completed` …) when the history was written, None if nobody said.
    """

    stream: str
    events: list[PastEvent]
    status: str | None = None

    @property
    def type(self) -> str:
        """The actor type's name."""
        return split_stream(self.stream)[0]

    @property
    def id(self) -> str:
        """The actor's id."""
        return split_stream(self.stream)[1]


class _Header(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    format: str
    format_version: int
    stream: str
    type: str
    events: _Positive
    status: str | None = None


class _Line(Struct, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    version: _Positive
    type: Annotated[str, Meta(min_length=1)]
    data: Raw | UnsetType = UNSET
    data_base64: bytes | None = None
    recorded_at: _Moment
    partition: _Natural = 0
    offset: _Natural = 0
    epoch: _Natural = 0
    schema: _Natural = 1
    causation_id: str | None = None
    correlation_id: str | None = None
    trace: str | None = None


def write_history(stream: str, events: Sequence[FullEvent], *, status: str | None = None) -> Iterator[bytes]:
    r"""Give a history's lines, each ending in `\n`.

    Args:
        stream: `type/id`.
        events: all of the stream's, or all up to a version.
        status: the listing's, for people and for `perdure replay --check`.

    Raises:
        HistoryRefused: there are none, or they don't begin at version 1, or one is missing. Nothing was given out.
    """
    for expected, event in enumerate(events, 1):
        if event.version != expected:
            raise HistoryRefused(stream, None, _misplaced(expected, event.version))
    if not events:
        raise HistoryRefused(stream, None, "it has no events: a history begins at version 1")
    type_, _ = split_stream(stream)
    yield _encode(
        _Header(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            stream=stream,
            type=type_,
            events=len(events),
            status=status,
        )
    )
    for event in events:
        yield _encode(_line(event))


def read_history(lines: Iterable[bytes | str], name: str = "the history") -> History:
    r"""Read what `write_history` gave.

    Args:
        lines: such as an open file, binary or text; with or without their `\n`.
        name: of the file, for messages.

    Raises:
        HistoryRefused: it is not a whole history; says in which line, why, and what to do.
    """
    reader = _Reader(name)
    for line in lines:
        reader.take(line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass"))
    return reader.history()


class _Reader:
    """Takes one line after the other; what is wrong with the newest is said at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._header: _Header | None = None
        self._events: list[PastEvent] = []

    def take(self, line: bytes) -> None:
        self._number += 1
        ended = line.endswith(b"\n")
        line = line.strip(b" \t\r\n")
        if not line:
            raise self._refused("it is empty: expected " + ("an event" if self._header else "a header"))
        if self._header is None:
            self._header = self._take_header(line)
        else:
            self._events.append(self._take_event(line, self._header.events, ended=ended))

    def history(self) -> History:
        header, found = self._header, len(self._events)
        if header is None:
            raise HistoryRefused(self._name, None, "it is empty: expected a history; export it again")
        if found < header.events:
            raise self._refused(
                f"the file ends here, with {found} of the {header.events} events that its first line promises: it was cut "
                "off; export it again"
            )
        return History(header.stream, self._events, header.status)

    def _take_header(self, line: bytes) -> _Header:
        if line.startswith(_BYTE_ORDER_MARK):
            raise self._refused("it begins with a byte order mark: save the file as plain UTF-8")
        try:
            check(line)
            value = decode_any(line)
        except PayloadRefused as error:
            raise self._refused(f"expected the header of a history, and this is no JSON: {error}") from None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise self._refused(
                f'expected the header of a history, {{"format":"{FORMAT}", …}}: this is no file of `perdure export`'
            )
        if value.get("format_version") != FORMAT_VERSION:
            raise self._refused(
                f"the format's version is {value.get('format_version')!r}, and this Perdure reads {FORMAT_VERSION}: "
                "use the Perdure that wrote it, or a newer one"
            )
        header = self._decode(_decode_header, line, "the header")
        try:
            type_, _ = split_stream(header.stream)
        except InvalidId as error:
            raise self._refused(f"the header's stream: {error}") from None
        if type_ != header.type:
            raise self._refused(f"the header's type is {header.type}, but its stream is {header.stream}")
        return header

    def _take_event(self, line: bytes, promised: int, *, ended: bool) -> PastEvent:
        expected = len(self._events) + 1
        if not ended and not line.endswith(b"}"):
            raise self._refused(f"the event of version {expected} is cut off in its middle; export the file again")
        found = self._decode(_decode_line, line, f"expected the event of version {expected}")
        if found.version != expected:
            raise self._refused(_misplaced(expected, found.version))
        if expected > promised:
            raise self._refused(
                f'an event more than the {promised} that the first line promises: correct its "events", or export the '
                "file again"
            )
        if isinstance(found.data, Raw) == (found.data_base64 is not None):
            raise self._refused('expected one of "data" (JSON) and "data_base64"')
        return _event(found)

    def _decode(self, decode: Callable[[bytes], T], line: bytes, what: str) -> T:
        try:
            check(line, envelope_bytes=_ENVELOPE_BYTES, envelope_depth=_ENVELOPE_DEPTH)
            return decode(line)
        except PayloadRefused as error:
            raise self._refused(f"{what}: {error}") from None

    def _refused(self, why: str) -> HistoryRefused:
        return HistoryRefused(self._name, self._number, why)


def _line(event: FullEvent) -> _Line:
    line = _Line(
        version=event.version,
        type=event.type,
        recorded_at=event.recorded_at.astimezone(UTC),
        partition=event.partition,
        offset=event.offset,
        epoch=event.epoch,
        schema=event.schema,
        causation_id=event.causation_id,
        correlation_id=event.correlation_id,
        trace=event.trace,
    )
    try:
        decode_any(event.data)
    except PayloadRefused:  # encrypted, or damaged: it is kept as it is
        line.data_base64 = event.data
    else:
        line.data = Raw(event.data.translate(_ONE_LINE))
    return line


def _event(line: _Line) -> PastEvent:
    return PastEvent(
        version=line.version,
        type=line.type,
        data=bytes(line.data) if isinstance(line.data, Raw) else line.data_base64 or b"",
        recorded_at=line.recorded_at,
        partition=line.partition,
        offset=line.offset,
        epoch=line.epoch,
        schema=line.schema,
        causation_id=line.causation_id,
        correlation_id=line.correlation_id,
        trace=line.trace,
    )


def _misplaced(expected: int, found: int) -> str:
    if found < expected:
        return f"version {found} stands here again, where version {expected} was expected; export the history again"
    missing = f"version {expected} is" if found == expected + 1 else f"versions {expected} to {found - 1} are"
    return f"version {found} follows version {expected - 1}: {missing} missing; export the history again"


def _encode(line: _Header | _Line) -> bytes:
    return plain_encode(line) + b"\n"


_decode_header: Callable[[bytes], _Header] = decoder(_Header)
_decode_line: Callable[[bytes], _Line] = decoder(_Line)
