"""Enter the dividends of an underlying: the whole table of those to come, as the fund names them.

They take the place of those of the vendor in their quarters, and are needed where the plan at the
vendor has none. They are in forwards, volatilities and greeks with the next history or session, and
at once in the rule that leaves a short call before its holder exercises it. A table that is entered
again replaces the one before. A quarter to come that neither names is expected to pay what it paid
a year ago; an amount of 0 says that it pays nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import uuid4

from domain.analytics.dividend_table import AMOUNT_MAX, ENTERED
from domain.events.feeds import HistoryImported
from domain.events.system import SessionPlanned
from domain.instruments import SYMBOLS
from domain.session import new_york
from run.build import build_id
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.worker import Recorder
from store.contract import Selection
from store.errors import StoreError
from store.postgres import PostgresStore

WAIT_SECONDS = 10.0
EXITS = {
    0: "the table is on the log",
    1: "it is not: the log could not be read or written",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
}
EXAMPLES = """
  python -m run.dividends SPY 2026-12-18=1.85 2027-03-19=1.75~
  python -m run.dividends IWM                       the vendor's table alone

  DATE is the ex-date, AMOUNT dollars a share; "~" behind it: estimated, not declared yet."""


def row(text: str) -> tuple[str, float, bool]:
    """One ex-date as a row of HistoryImported."""
    day, _, amount = text.partition("=")
    try:
        paid, ex_date = Decimal(amount.removesuffix("~")), date.fromisoformat(day)
    except (InvalidOperation, ValueError):
        raise ArgumentTypeError(f"must look like 2026-12-18=1.85, was {text!r}") from None
    if not 0 <= paid <= Decimal(AMOUNT_MAX):
        raise ArgumentTypeError(
            f"a dividend must be at least 0 and at most {AMOUNT_MAX}, was {paid}"
        )
    return ex_date.isoformat(), float(paid), amount.endswith("~")


async def _session_before(store: PostgresStore) -> date:
    """The day before the newest session on the log, which may use the table then."""
    today, after = new_york(datetime.now(UTC)).date(), 0
    planned = Selection(types=frozenset({"SessionPlanned"}))
    while page := await store.read(after, planned):
        after, body = page[-1].position, page[-1].body
        assert isinstance(body, SessionPlanned)
        today = body.day.session_date
    return today - timedelta(days=1)


async def enter(settings: Settings, symbol: str, rows: Sequence[tuple[str, float, bool]]) -> None:
    """Write the table to the log."""
    store = await PostgresStore.open(settings.database_url, application_name="cli")
    try:
        table = HistoryImported(
            vendor="operator",
            request=ENTERED,
            symbol=symbol,
            session_date=await _session_before(store),
            payload=json.dumps(sorted(rows)),
        )
        recorder = Recorder(store, "cli", build_id(), uuid4().hex)
        await recorder.record(f"history/operator/{symbol}", table)
    finally:
        await store.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.dividends", __doc__, reads=(), exits=EXITS, examples=EXAMPLES)
    parser.add_argument("symbol", choices=SYMBOLS)
    parser.add_argument("dividends", type=row, nargs="*", metavar="DATE=AMOUNT")
    given = parser.parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"dividends: {error}", file=sys.stderr)
        return 2

    async def within() -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await enter(settings, given.symbol, given.dividends)

    try:
        asyncio.run(within())
    except (StoreError, OSError) as error:
        print(f"not entered: {error or type(error).__name__}")
        return 1
    print(f"{settings.mode}: {len(given.dividends)} dividends of {given.symbol} are entered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
