"""Record what only the operator can know: whose a holding is that the broker has and the desk
cannot explain, and that money came or went.

Each needs a reason and evidence (the broker's statement, number, mail), and the words `RECORD`
and the desk's mode (SANDBOX, PAPER, LIVE) typed in full on the standard input: whoever types them
has looked at which desk this is. The desk decides, and says why when it refuses.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import uuid4

from api.decision import ADJUSTED, CASH
from domain.event import DeskEvent
from domain.events.positions import AdjustmentRequested
from domain.events.risk import CashFlowRequested
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.halt import Outcome, add_arguments, ask, one_line, whoever
from store.errors import StoreError

EXITS = {
    0: "it is recorded",
    1: "not recorded: the log could not be written",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "refused: the confirmation was not typed, or the desk refused; the reason is printed",
    4: "asked, but the trader has not answered in time; the page tells what becomes of it",
}
EXAMPLES = """
  python -m run.books position --contract 712345678 --quantity 2 \\
      --evidence "statement of 2026-11-27, line 4" --why "bought by hand in TWS"
  python -m run.books position --contract 712345678 --quantity -1 --price 1.85 \\
      --position P0123456789abcdef --evidence "execution 0000e0d5" --why "not reported to us"
  python -m run.books cash --amount -5000 --evidence "wire 8841" --why "rent"

A quantity is the broker's holding less ours; the page shows it under broker. Without --position
the contracts are no position of the desk: nothing watches or leaves them."""


def money(text: str) -> Decimal:
    """Dollars as they are typed."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"must be a number, was {text}") from None
    if not amount.is_finite():
        raise argparse.ArgumentTypeError(f"must be a finite number, was {text}")
    return amount


def _parser() -> argparse.ArgumentParser:
    parser = command_line("run.books", __doc__, exits=EXITS, examples=EXAMPLES)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="position|cash")
    position = kinds.add_parser("position", help="explain what the broker holds")
    position.add_argument("--contract", type=int, required=True, help="the broker's contract id")
    position.add_argument("--quantity", type=int, required=True, help="theirs less ours, signed")
    position.add_argument("--position", default="", help="whose it is; without, nobody's")
    position.add_argument("--price", type=money, default=None, help="a share; with --position")
    cash = kinds.add_parser("cash", help="a deposit or, negative, a withdrawal")
    cash.add_argument("--amount", type=money, required=True, help="dollars and cents, signed")
    for kind in (position, cash):
        kind.add_argument("--evidence", type=one_line, required=True, help="where it is written")
        add_arguments(kind)
    return parser


def _request(given: argparse.Namespace) -> tuple[DeskEvent, frozenset[str]]:
    who = {"who": whoever(given.who), "route": "cli", "reason": given.why}
    confirmed = {"evidence": given.evidence, "reauthenticated": True}
    if given.kind == "cash":
        return CashFlowRequested(amount=given.amount, **who, **confirmed), CASH
    request = AdjustmentRequested(
        con_id=given.contract,
        quantity=given.quantity,
        position_id=given.position,
        price=given.price,
        **who,
        **confirmed,
    )
    return request, ADJUSTED


def _ask(settings: Settings, given: argparse.Namespace) -> Outcome:
    event_id = uuid4()
    phrase = f"RECORD {settings.mode.upper()}"
    print(f'Type "{phrase}" to record it: ', end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != phrase:
        return Outcome("refused", event_id, reason=f'"{phrase}" must be typed, was not')
    request, deciders = _request(given)
    now = datetime.now(UTC)
    try:
        return asyncio.run(
            ask(settings, "control/cli", request, event_id, now, deciders, given.wait)
        )
    except (StoreError, OSError) as error:
        reason = f"the log cannot be written: {error or type(error).__name__}; try again"
        return Outcome("failed", event_id, reason=reason)


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"books: {error}", file=sys.stderr)
        return 2
    outcome = _ask(settings, given)
    text = {
        "accepted": f"{settings.mode}: recorded",
        "refused": f"{settings.mode}: not recorded",
        "requested": f"{settings.mode}: asked, not answered yet",
    }.get(outcome.state, f"{settings.mode}: not recorded")
    outcome.print(text, as_json=given.json)
    return {"accepted": 0, "refused": 3, "requested": 4}.get(outcome.state, 1)


if __name__ == "__main__":
    sys.exit(main())
