"""Reads a recording of TWS: what each message belongs to, whatever number its request had.

Request ids mean something on the connection they came on alone. Here a message belongs to the
request itself: its kind and its fields without the id. Used by tws_player.py.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from adapters.recording.tape import IB_ASKED, IB_HEARD, Heard

Key: TypeAlias = tuple[bytes, ...]
LINES, BOOKS, BARS = b"1", b"10", b"50"
STREAMS = frozenset({LINES, BOOKS, BARS})
CANCELS = frozenset({b"2", b"11", b"51"})
DETAILS, HISTORY, CHAINS = b"9", b"20", b"78"
CALLS = frozenset({DETAILS, HISTORY, CHAINS})
"""Requests that are answered once."""
HISTORY_END_AT = 14
"""Where a key of history has the time at which the bars end."""
ERROR, CURRENT_TIME, VALID_ID, ACCOUNTS = b"4", b"49", b"9", b"15"
NOT_PLAYED = frozenset({CURRENT_TIME, VALID_ID, ACCOUNTS})
"""The player says these itself."""
BOOK_RESET = (ERROR, b"2", b"", b"317", b"Market depth data has been RESET.", b"")

_ASKED_ID_AT = dict.fromkeys((*STREAMS, *CANCELS, DETAILS), 2) | {HISTORY: 1, CHAINS: 1}
_HEARD_ID_AT = dict.fromkeys((b"1", b"2", b"4", b"12", b"13", b"45", b"46"), 2)
_HEARD_ID_AT |= dict.fromkeys((b"50", b"52", b"57", b"58"), 2)
_HEARD_ID_AT |= dict.fromkeys((b"10", b"17", b"21", b"75", b"76", b"81"), 1)


@dataclass(frozen=True, slots=True)
class Message:
    """One of TWS's messages; without a key it is for everybody."""

    fields: tuple[bytes, ...]
    key: Key | None = None
    id_at: int = 0

    def bytes_for(self, request: bytes) -> bytes:
        """As it is written to a client that asked under that id."""
        fields = self.fields
        if self.key is not None:
            fields = (*fields[: self.id_at], request, *fields[self.id_at + 1 :])
        payload = b"".join(one + b"\0" for one in fields)
        return struct.pack(">I", len(payload)) + payload


Packet: TypeAlias = tuple[datetime, tuple[Message, ...]]


@dataclass(slots=True)
class Answer:
    """To one call."""

    at: datetime
    messages: list[Message] = field(default_factory=list)


class Answers:
    """What TWS said to calls."""

    def __init__(self, heard: Iterable[Heard]) -> None:
        self._answers: dict[Key, list[Answer]] = defaultdict(list)
        calls: dict[tuple[str, bytes], Answer] = {}
        reader = _Reader()
        for record in heard:
            request = reader.asked(record)
            if request is not None and request[1][0] in CALLS:
                answer = calls[record.name, request[0]] = Answer(record.at)
                self._answers[request[1]].append(answer)
            for message in reader.messages(record):
                if message.key is not None and message.key[0] in CALLS:
                    calls[record.name, message.fields[message.id_at]].messages.append(message)

    def to(self, key: Key, moment: datetime) -> Sequence[Message]:
        """What TWS had last said to a call by then; of history also to one with another end."""
        found = [one for one in self._answers.get(key, ()) if one.messages]
        if not found and key[0] == HISTORY:
            found = [
                one
                for other, answers in self._answers.items()
                if _without_end(other) == _without_end(key)
                for one in answers
                if one.messages
            ]
        past = [one for one in found if one.at <= moment]
        return (past[-1] if past else found[0]).messages if found else ()


def asked(payload: bytes) -> tuple[bytes, Key] | None:
    """Id and key of a request; None for one that has none."""
    fields = _fields(payload)
    id_at = _ASKED_ID_AT.get(fields[0])
    if id_at is None or len(fields) <= id_at:
        return None
    return fields[id_at], (*fields[:id_at], *fields[id_at + 1 :])


def packets(heard: Iterable[Heard]) -> Iterator[Packet]:
    """What streams, packet by packet in order of time."""
    reader = _Reader()
    books: set[Key] = set()
    for record in heard:
        request = reader.asked(record)
        if request is not None and request[1][0] == BOOKS:
            # Whoever has the book keeps it on the player's connection: TWS begins it anew.
            if request[1] in books:
                yield record.at, (Message(BOOK_RESET, request[1], 2),)
            books.add(request[1])
        streamed = tuple(
            message
            for message in reader.messages(record)
            if message.key is None or message.key[0] not in CALLS
        )
        if streamed:
            yield record.at, streamed


class _Reader:
    """Follows which request every id is, on every connection."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, bytes], Key] = {}
        self._connections: set[str] = set()

    def asked(self, record: Heard) -> tuple[bytes, Key] | None:
        """Id and key of a request, of those that are answered under their id."""
        if record.source != IB_ASKED:
            return None
        request = asked(record.data)
        if request is None or request[1][0] in CANCELS:
            return None
        self._requests[record.name, request[0]] = request[1]
        return request

    def messages(self, record: Heard) -> Iterator[Message]:
        """Those of a packet that are played."""
        if record.source != IB_HEARD:
            return
        payloads = _payloads(record.data)
        if record.name not in self._connections:  # the first word is the version and no message
            self._connections.add(record.name)
            payloads = payloads[1:]
        for payload in payloads:
            message = self._message(record.name, payload)
            if message is not None:
                yield message

    def _message(self, connection: str, payload: bytes) -> Message | None:
        """None for what is not played: words of the handshake, and messages of no known request."""
        fields = _fields(payload)
        kind = fields[0]
        id_at = _HEARD_ID_AT.get(kind, 0)
        if kind in NOT_PLAYED:
            return None
        if not 0 < id_at < len(fields):
            return Message(fields)  # what nobody can place is heard by everybody
        number = fields[id_at]
        key = self._requests.get((connection, number))
        if key is not None:
            return Message(fields, key, id_at)
        return Message(fields) if kind == ERROR and number.startswith(b"-") else None


def _fields(payload: bytes) -> tuple[bytes, ...]:
    return tuple(payload.removesuffix(b"\0").split(b"\0"))


def _payloads(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _without_end(key: Key) -> Key:
    return (*key[:HISTORY_END_AT], *key[HISTORY_END_AT + 1 :])
