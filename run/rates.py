"""Enter the curve of interest rates, or say which one holds.

Options are priced with the rate of their own life: linear between tenors, flat outside. A curve
takes the place of the one before, whole, with the next evaluation of the chains. Until one is
entered the parameter risk_free_rate holds for all, and evaluated chains say RATE_DEFAULT.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import uuid4

from domain.events.interest_rates import (
    RATE_MAX,
    RATE_MIN,
    RATES_STREAM,
    TENOR_DAYS_MAX,
    RatePoint,
    RateUpdated,
    curve_problem,
)
from domain.session import new_york
from run.build import build_id
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.halt import name, one_line, whoever
from run.tails import tail
from run.worker import Recorder
from store.errors import StoreError
from store.postgres import PostgresStore

WAIT_SECONDS = 10.0
AGE_MAX = timedelta(days=31)
"""Rates of before are no rates of now: a wrong year, mostly."""
_TENOR = re.compile(r"(\d{1,4})([dwmy])")
_DAYS = {"d": 1.0, "w": 7.0, "m": 365 / 12, "y": 365.0}
EXITS = {
    0: "the curve is on the log, or the one that holds is printed",
    1: "it is not: the log could not be read or written",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
}
EXAMPLES = """
  python -m run.rates                               the curve that holds
  python -m run.rates 1m=3.71 3m=3.64 1y=3.42 --as-of 2026-11-27 --source "Treasury bills"
  python -m run.rates 30d=3.71 --source "my broker" --who ann --json

  TENOR is a number of d, w, m or y; PERCENT a year, continuously compounded."""


def point(text: str) -> RatePoint:
    """One tenor of the curve."""
    tenor, _, percent = text.partition("=")
    found = _TENOR.fullmatch(tenor)
    try:
        rate = Decimal(percent) / 100
    except InvalidOperation:
        found = None
    if found is None or not rate.is_finite():
        raise ArgumentTypeError(f"must look like 3m=3.64, was {text!r}")
    if not Decimal(str(RATE_MIN)) <= rate <= Decimal(str(RATE_MAX)):
        raise ArgumentTypeError(
            f"a rate must be at least {RATE_MIN:.0%} and at most {RATE_MAX:.0%}, was {percent} %"
        )
    days = round(int(found[1]) * _DAYS[found[2]])
    if not 1 <= days <= TENOR_DAYS_MAX:
        raise ArgumentTypeError(f"a tenor must be of 1 to {TENOR_DAYS_MAX} days, was {tenor}")
    return RatePoint(days=days, rate=float(rate))


def as_of(text: str) -> date:
    """The day of which the rates are: not to come, and not long ago."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a date such as 2026-11-27, was {text!r}") from None
    today = new_york(datetime.now(UTC)).date()
    if not today - AGE_MAX <= day <= today:
        raise ArgumentTypeError(f"must be from {today - AGE_MAX} to {today}, was {day}")
    return day


async def enter(settings: Settings, curve: RateUpdated | None) -> RateUpdated | None:
    """Write the curve to the log if one is given; the one that holds then."""
    store = await PostgresStore.open(settings.database_url, application_name="cli")
    try:
        if curve is not None:
            recorder = Recorder(store, "cli", build_id(), uuid4().hex)
            await recorder.record(RATES_STREAM, curve)
            return curve
        newest = await tail(store, RATES_STREAM, 1)
    finally:
        await store.close()
    if not newest:
        return None
    body = newest[-1].body
    assert isinstance(body, RateUpdated)
    return body


def _text(curve: RateUpdated) -> str:
    points = ", ".join(f"{point.days} days {100 * point.rate:.2f} %" for point in curve.points)
    return f"{points}; as of {curve.as_of}, {curve.source}, entered by {curve.who}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.rates", __doc__, reads=(), exits=EXITS, examples=EXAMPLES)
    parser.add_argument("points", type=point, nargs="*", metavar="TENOR=PERCENT")
    parser.add_argument("--as-of", type=as_of, default=None, help="default: today in New York")
    parser.add_argument("--source", type=one_line, default=None, help="where the rates are from")
    parser.add_argument("--who", type=name, default=None, help="default: the user of this shell")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    points = tuple(sorted(given.points, key=lambda point: point.days))
    problem = curve_problem(points) if points else ""
    if points and not given.source:
        problem = problem or "--source must say where the rates are from"
    if problem:
        parser.error(problem)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"rates: {error}", file=sys.stderr)
        return 2
    curve = None
    if points:
        day = given.as_of or new_york(datetime.now(UTC)).date()
        curve = RateUpdated(as_of=day, source=given.source, points=points, who=whoever(given.who))

    async def within() -> RateUpdated | None:
        async with asyncio.timeout(WAIT_SECONDS):
            return await enter(settings, curve)

    try:
        holds = asyncio.run(within())
    except (StoreError, OSError) as error:
        reason = str(error) or type(error).__name__
        failed = json.dumps({"state": "failed", "reason": reason})
        print(failed if given.json else f"not entered: {reason}" if points else reason)
        return 1
    if given.json:
        told = None if holds is None else holds.model_dump(mode="json")
        print(json.dumps({"state": "entered" if points else "shown", "curve": told}))
        return 0
    verb = "entered: " if points else ""
    print(f"{settings.mode}: {verb}{_text(holds) if holds else 'no curve: risk_free_rate holds'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
