from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from actors import InvalidInput, PayloadRefused
from actors.codec import MAX_BYTES, canonical, check
from actors.journal import (
    CancelRequested,
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
    JournalEvent,
    PromiseRejected,
    PromiseResolved,
    Resumed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    RunTerminated,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    TimerSet,
    decode_event,
    encode_event,
)
from actors.names import split_stream, stream_name
from actors.signature import Signature
from runtime.cli.journal import Titles, brief, ending, open_work, payload
from runtime.messages import decode_inbound, decode_reply, decode_task, encode_message
from tests.fuzz.effort import effort
from tests.fuzz.history import history
from tests.fuzz.mutation import LITERALS, mutated
from tests.fuzz.office import ERROR, FILE, RUN, Errand, Sheet, bodies, replies, stamp, tasks

BATCH = 40
SIZE = MAX_BYTES // 4  # time is linear: a quarter tells, and leaves time for the rest
SECONDS = 5.0  # a generous bound, against what grows with the square

EVENTS: list[JournalEvent] = [
    RunStarted(RUN, "c"), CommandReceived("c", "step", RUN), TaskCompleted(1, RUN, "local"), TaskFailed(1, ERROR, 2),
    TaskAttemptFailed(1, 1, ERROR, 1.5), TimerFired(2), Stuck(ERROR), Resumed(), TaskScheduled(1, "stamp", RUN),
    TimerSet(2, 1e9), CommandCompleted("c", RUN), CommandFailed("c", ERROR), RunCompleted(RUN), RunFailed(ERROR),
    ChildStarted(3, "Errand", "c", RUN), ChildCompleted(3, RUN), ChildFailed(3, ERROR),
    CommandSent(4, "Clerk", "a", "file", RUN, True, 3), CommandAnswered(4, RUN), CommandAnswered(4, error=ERROR),
    CancelRequested("c", "why"), RunTerminated("c", "why", True), RunCancelled("why"),
    ChildCancelRequested(3, "why"),
    PromiseResolved("p", RUN, "c"), PromiseRejected("p", ERROR, "c"),
]  # fmt: skip


def _decode_events(body: bytes) -> None:
    for event in EVENTS:
        try:
            decode_event(type(event).__name__, body)
        except PayloadRefused:
            continue


def _decode_by(signature: Signature) -> Callable[[bytes], object]:
    def decode(body: bytes) -> object:
        arguments = signature.decode(body)
        return msgspec.json.encode(arguments)  # what was taken can be written again

    return decode


def _decode_result(body: bytes) -> object:
    return stamp.signature.decode_result(body)


def _canonical(body: bytes) -> object:
    check(body)
    once = canonical(body)
    assert canonical(once) == once
    return once


def _by_hand(sheet: Sheet, tags: set[Any] = set(), extra: Any = None, *, more: dict[str, Sheet] = {}) -> None:  # noqa: B006
    """Have a signature with a keyword-only argument."""


DECODERS: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
    "inbound": (decode_inbound, bodies()),
    "task": (decode_task, tasks()),
    "reply": (decode_reply, replies()),
    "events": (_decode_events, [encode_event(event) for event in EVENTS]),
    "signature": (
        _decode_by(Signature(_by_hand, "by_hand", skip_first=False)),
        [bytes(FILE), b"[" + bytes(FILE) + b"]"],
    ),
    "result": (_decode_result, [b'{"sku":"x","count":1,"price":"1.5","notes":[null,"a"]}']),
    "canonical": (_canonical, [bytes(FILE), bytes(RUN), b'{"b":[1e5,-0.0,"\\u00e9"],"a":{}}']),
}


@pytest.mark.parametrize("name", DECODERS)
@effort(25)
@given(seed=st.integers(0, 2**48))
def test_damaged_input_is_refused_with_a_typed_error(name: str, seed: int) -> None:
    """Mutations of valid input give a right answer or `InvalidInput`, and nothing else."""
    decode, valid = DECODERS[name]
    for each in range(BATCH):
        try:
            decode(mutated(valid, seed + each))
        except InvalidInput:
            continue


@effort(60)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_typed_error(body: bytes) -> None:
    """Bytes that were never a message."""
    for decode, _ in DECODERS.values():
        for text in (body, b'{"op":' + body, b"[" + body):
            try:
                decode(text)
            except InvalidInput:
                continue


LARGE = {
    "digits": b"1" * SIZE,
    "a number with digits": b'{"a":1.' + b"1" * (SIZE - 10) + b"}",
    "open lists": b"[" * SIZE,
    "open objects": b'{"a":' * (SIZE // 5),
    "quotes": b'"' * SIZE,
    "backslashes": b'"' + b"\\" * (SIZE - 1),
    "escapes": b'"' + b"\\u0041" * (SIZE // 6 - 1) + b'"',
    "lists in a list": b"[" + b"[]," * (SIZE // 3 - 1) + b"[]]",
    "one key again and again": b"{" + b'"a":1,' * (SIZE // 6 - 1) + b'"a":1}',
    "closing first": b"]" * (SIZE // 2) + b"[" * (SIZE // 2),
    "space": b" " * SIZE,
    "strings of brackets": b"[" + b'"[[[[",' * (SIZE // 7 - 1) + b"1]",
}


@pytest.mark.parametrize("what", LARGE)
def test_largest_input_takes_bounded_time(what: str) -> None:
    """No decoder takes time that grows with the square of the size."""
    for decode in (decode_inbound, _canonical):
        for body in (LARGE[what], b'{"op":"start","type":"E","id":"1","input":' + LARGE[what] + b"}"):
            began = time.process_time()
            with suppress(InvalidInput):
                decode(body)
            assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("literal", LITERALS)
def test_hostile_value_in_each_field_of_each_message(literal: bytes) -> None:
    """What passes can be written and read again; what does not is refused."""
    for body in bodies():
        for field in msgspec.json.decode(body):
            fields = {name: Raw(msgspec.json.encode(value)) for name, value in msgspec.json.decode(body).items()}
            try:
                message = decode_inbound(msgspec.json.encode(fields | {field: Raw(literal)}))
            except InvalidInput:
                continue
            again = decode_inbound(encode_message(message))
            assert encode_message(again) == encode_message(message)


@effort(300)
@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=200))
def test_stream_name_joins_what_split_stream_parts(type: str, id: str) -> None:
    """Either a name that splits into its parts and fits an AMQP short string and a text column, or `InvalidId`."""
    try:
        stream = stream_name(type, id)
    except InvalidInput:
        try:
            split_stream(f"{type}/{id}")
        except InvalidInput:
            return
        assert "/" in type  # parted at another slash
        return
    assert split_stream(stream) == (type, id)
    assert len(stream.encode()) <= 250
    assert "\0" not in stream


@effort(60)
@given(st.integers(0, 2**48))
def test_damaged_history_is_told_without_a_crash(seed: int) -> None:
    """`perdure history` reads any log: a typed error at most, for the events that can't be read."""
    chance = random.Random(seed)
    events = history(chance, [(type(event).__name__, encode_event(event)) for event in EVENTS])
    for tell in (lambda: [Titles().of(e) for e in events], lambda: ending(events), lambda: open_work(events)):
        try:
            tell()
        except InvalidInput:
            continue
    for event in events:
        payload(event)
        try:
            brief(event)
        except InvalidInput:
            continue


@effort(80)
@given(st.integers(0, 2**48))
def test_damaged_journal_is_replayed_to_a_typed_error(seed: int) -> None:
    """Replay of a journal that no code wrote says what differs, and the instance is broken, not the process."""
    from actors import Bug, Nondeterminism
    from actors.definition import WorkflowType
    from actors.execution import Execution

    chance = random.Random(seed)
    execution = Execution(WorkflowType(Errand), "Errand/r")
    good: list[JournalEvent] = [
        RunStarted(RUN, "c"), TaskScheduled(1, "stamp", RUN), CommandReceived("c", "step", Raw(b'{"by":1}')),
        CommandCompleted("c", Raw(b"1")), TaskCompleted(1, Raw(b'{"sku":"x","count":1}')),
    ]  # fmt: skip
    with suppress(Bug, Nondeterminism):
        execution.replay(history(chance, [(type(event).__name__, encode_event(event)) for event in good]))
    execution.dispose()
