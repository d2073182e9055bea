"""Malformed messages of TWS, through the real client's decoder into the feed's own code.

`python -m tests.fuzz.ib SEED COUNT` sends more; a failure names seed and number. A message is a
valid one that was changed by its grammar (fields) or by its bytes. What must hold for each is in
`Feed.take`.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from base64 import b64decode
from datetime import UTC, datetime
from random import Random

from ib_async import Contract

from adapters.interactive_brokers.feed_callbacks import FeedCallbacks
from adapters.interactive_brokers.lines import Line
from adapters.interactive_brokers.market_data import IbMarketData
from adapters.interactive_brokers.market_link import MarketLink
from domain.analytics.depth_book import DepthBook
from domain.event import MarketEvent, decode_body, encode_body, event_type
from domain.events.feeds import FeedMessageRejected, IbDepthReceived, IbTicksReceived
from domain.execution.quotes import Quotes
from projections.hot.market import VIEWS

SECONDS_MAX = 0.1
EVENT_BYTES_MAX = 400_000
NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
STOCK, OPTION, BARS, BOOK = 101, 102, 103, 104
SENTINEL = 105
"""A line of its own: a message on it must arrive whatever came before it in the packet."""
VALID: tuple[tuple[object, ...], ...] = (
    (1, 6, STOCK, 1, 600.01, 100, 1),
    (1, 6, STOCK, 2, 600.03, 200, 1),
    (1, 6, STOCK, 66, 600.01, 100, 1),
    (1, 6, STOCK, 35, 600.02, 0, 0),
    (2, 6, STOCK, 8, 1_000_000),
    (2, 6, STOCK, 36, -250_000),
    (45, 6, STOCK, 49, 0),
    (46, 6, STOCK, 45, 1_795_341_185),
    (46, 6, STOCK, 48, "600.00;100;1795341185123;5000;599.9;false"),
    (1, 6, OPTION, 1, 1.2, 10, 1),
    (21, OPTION, 13, 0, 0.185, 0.51, 1.2, 0.0, 0.021, 0.33, -0.12, 600.01),
    (21, OPTION, 83, 0, -1, -2, -1, -1, -2, -2, -2, -1),
    (58, 1, STOCK, 1),
    (58, 1, OPTION, 3),
    (81, STOCK, 0.01, "9c0001", 3),
    (50, 3, BARS, 1_795_341_100, 600.0, 600.1, 599.9, 600.05, 1000, 600.01, 42),
    (13, 1, BOOK, 0, "ARCA", 0, 1, 599.98, 100, 1),
    (13, 1, BOOK, 0, "ARCA", 1, 1, 599.97, 100, 1),
    (12, 1, BOOK, 0, 2, 1, 0.0, 0),
    (49, 1, 1_795_341_185),
    (4, 2, -1, 2104, "Market data farm connection is OK:usfarm", ""),
    (4, 2, STOCK, 354, "Requested market data is not subscribed.", ""),
    (4, 2, BOOK, 317, "Market depth data has been RESET.", ""),
    (9, 1, 77),
    (15, 1, "DU1234567"),
    (17, 9, "20261122  09:29:30", "20261122  09:30:00", 1, "1795341185", 1, 2, 1, 1, -1, -1, -1),
    (75, 8, "SMART", 756733, "SPY", 100, 2, "20261123", "20261124", 3, 595.0, 600.0, 605.0),
    (10, 4, "SPY", "OPT", "20261218", 600, "C", "SMART", "USD", "SPY", "SPY", "SPY", 700001, 0.01),
)
FIELDS = (
    "", "-1", "0", "nan", "NaN", "-inf", "Infinity", "1e400", "1.7976931348623157E308", "true",
    "9" * 18, "9" * 30, "9" * 5_000, "-" + "9" * 30, "1_0", "٣", "²", "0x10", "1.0", "1e3", "None",
    "\ufeff", "\u202e", "\ud7ff", "[" * 3_000, '{"a":' * 500, "a" * 70_000, "-0.0", "1e-320",
    ";;;;", ";", "600;x;1", "104", "105", "8589934592", "-5", "3", "2", "1000",
)  # fmt: skip
BYTES = (b"\x00", b"\xff\xfe", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\x1f\x8b")


def malformed(random: Random) -> bytes:
    """The payload of one message."""
    fields = [str(field) for field in random.choice(VALID)]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        place = random.randrange(len(fields)) if fields else 0
        match random.randrange(6):
            case 0 | 1 | 2 if fields:
                fields[place] = random.choice(FIELDS)
            case 3 if fields:
                del fields[place]
            case 4:
                fields.insert(place, random.choice(FIELDS))
            case _:
                more = random.choice(FIELDS)
                fields += [more] * random.randrange(1, 200 if len(more) < 100 else 4)
    payload = "".join(f"{field}\0" for field in fields).encode()
    if random.random() < 0.3:
        payload = _bytes_changed(payload, random)
    return payload


def _bytes_changed(payload: bytes, random: Random) -> bytes:
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(payload) + 1)
        match random.randrange(3):
            case 0:
                payload = payload[:place] + random.choice(BYTES) + payload[place:]
            case 1:
                payload = payload[:place]
            case _:
                payload = payload[:place] + bytes([random.randrange(256)]) + payload[place + 1 :]
    return payload


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


class Feed:
    """The feed's link as it is when connected, without a socket. Needs a running loop."""

    def __init__(self) -> None:
        self.events: list[MarketEvent] = []
        self.rejected = 0
        self.quotes, self.book = Quotes(), DepthBook()
        callbacks = FeedCallbacks(
            event=self.events.append,
            state=lambda _state, _reason, _connection: None,
            refused=lambda _line: None,
            stream=lambda _told: None,
            alarm=lambda _alarm: None,
        )
        self.data = IbMarketData("", 0, 1, "run", lambda: NOW, callbacks)
        self.link = MarketLink(
            "run/1", lambda: NOW, time.monotonic, self.data._on_event, self.data._on_error, print
        )
        self.data._link = self.link
        client = self.link.client
        client._apiReady, client._serverVersion, client.decoder.serverVersion = True, 178, 178  # type: ignore[attr-defined]
        self.open_lines()

    def open_lines(self) -> None:
        stock = Contract(secType="STK", conId=1, symbol="SPY", exchange="SMART", currency="USD")
        option = Contract(
            secType="OPT",
            conId=2,
            symbol="SPY",
            lastTradeDateOrContractMonth="20261218",
            strike=600.0,
            right="C",
        )
        for request, contract, kind in (
            (STOCK, stock, "ticks"),
            (OPTION, option, "ticks"),
            (BARS, stock, "bars"),
            (BOOK, stock, "depth"),
            (SENTINEL, stock, "ticks"),
        ):
            self.link.lines[request] = Line(contract, kind, True, 0.0, 0.0, market_data_type=1)

    def take(self, payload: bytes, number: int) -> None:
        """One message with a good one behind it in the same packet.

        Nothing escapes and nothing takes long; the good one arrives; every event that comes of it
        can be read back from the log as it was written, and is taken by those who read it.
        """
        good = frame_of(1, 6, SENTINEL, 1, 500.0 + number % 100, 7, 0)
        self.events.clear()
        began = time.process_time()
        self.link.client._onSocketHasData(framed(payload) + good)  # type: ignore[attr-defined]
        seconds = time.process_time() - began
        assert seconds < SECONDS_MAX, f"must take at most {SECONDS_MAX} s, was {seconds:.3f}"
        assert self._good_has_come(500.0 + number % 100), "the message behind it must arrive"
        for event in self.events:
            self._read_back(event)

    def _good_has_come(self, price: float) -> bool:
        last = [e for e in self.events if isinstance(e, IbTicksReceived)]
        return any((1, price, 7.0) in event.ticks for event in last)

    def _read_back(self, event: MarketEvent) -> None:
        text = encode_body(event)
        assert len(text) < EVENT_BYTES_MAX, f"an event must be small, was {len(text)} bytes"
        name = event_type(event)
        again = decode_body(name, event.schema_version, text)
        assert again == event, f"{name} must read back as it was written"
        match event:
            case FeedMessageRejected():
                self.rejected += 1
                b64decode(event.payload_base64, validate=True)
            case IbTicksReceived():
                self.quotes.apply(event, NOW)
            case IbDepthReceived():
                self.book.apply(event.ticks, 0.0)
                assert event.symbol == "SPY" and VIEWS[IbDepthReceived]


def frame_of(*fields: object) -> bytes:
    return framed("".join(f"{field}\0" for field in fields).encode())


async def run(seed: int, count: int) -> Feed:
    """So many messages of a seed.

    Raises:
        AssertionError: naming the message.
    """
    random, feed = Random(seed), Feed()
    for number in range(count):
        if number % 50 == 0:
            feed.open_lines()  # refusals and types of data change them for good
        payload = malformed(random)
        try:
            feed.take(payload, number)
        except Exception as error:
            raise AssertionError(f"seed {seed}, number {number}: {payload[:300]!r}") from error
    return feed


if __name__ == "__main__":
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    done = asyncio.run(run(seed, count))
    print(f"{count} messages of seed {seed}: {done.rejected} kept as rejected")
