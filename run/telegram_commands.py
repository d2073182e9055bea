"""What a command on Telegram means: the requests it makes, or its usage when it is not understood.

Pure; called by run/telegram. A command that is not said in full does nothing, but for halt and
flatten, which need no reason: whoever is in a hurry must not be asked for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from api.decision import CANCEL, FLATTEN, HALT, PLAN
from domain.events.controls import FlattenRequested, HaltRequested, TradeCancelRequested
from domain.events.positions import ExitPlanChangeRequested

ROUTE = "telegram"
NO_REASON = "no reason given"
USAGE = {
    "/halt": "/halt REASON stops entries",
    "/flatten": "/flatten REASON halts and closes every position",
    "/close": "/close POSITION REASON closes one position, or withdraws its entry",
    "/stop": "/stop POSITION PRICE REASON raises its stop",
    "/target": "/target POSITION PRICE REASON moves its target",
    "/help": "/help lists the commands",
}
EXAMPLE = {
    "/close": "/close P0123456789abcdef news ahead",
    "/stop": "/stop P0123456789abcdef 1.85 spread has widened",
    "/target": "/target P0123456789abcdef 2.40 close to resistance",
}
HELP = "\n".join(
    (
        *(f"{usage}." for usage in USAGE.values()),
        "A release, limits and books need the page or the command line.",
    )
)
_POSITION = re.compile(r"P[0-9a-f]{16}")
_PRICE = re.compile(r"-?\d{1,5}(\.\d{1,2})?")

Request = HaltRequested | FlattenRequested | TradeCancelRequested | ExitPlanChangeRequested


@dataclass(frozen=True, slots=True)
class Said:
    """A text from the operator. Without a request, `reply` says how it is said."""

    command: str
    argument: str
    request: Request | None
    reply: str = ""


def deciders(request: Request) -> frozenset[str]:
    """Types of which an event that the request caused says that it was carried out."""
    match request:
        case HaltRequested():
            return HALT
        case FlattenRequested():
            return FLATTEN
        case TradeCancelRequested():
            return CANCEL
        case _:
            return PLAN


def understood(text: str, who: str) -> Said:
    """What a message says. In a group a command may name the bot: /halt@name."""
    first, _, argument = text.strip().partition(" ")
    command, argument = first.partition("@")[0].lower(), argument.strip()
    reason = argument or NO_REASON
    match command:
        case "/halt":
            return Said(command, argument, HaltRequested(who=who, route=ROUTE, reason=reason))
        case "/flatten":
            return Said(command, argument, FlattenRequested(who=who, route=ROUTE, reason=reason))
        case "/close" | "/stop" | "/target":
            request = _of_a_position(command, argument, who)
            return Said(command, argument, request, "" if request else _usage(command))
        case "/help" | "/start":
            return Said(command, argument, None, HELP)
        case _:
            unknown = first[:40] if first.startswith("/") else "A text without a command"
            return Said(command, argument, None, f"{unknown} does nothing.\n\n{HELP}")


def _of_a_position(
    command: str, argument: str, who: str
) -> TradeCancelRequested | ExitPlanChangeRequested | None:
    position, _, rest = argument.partition(" ")
    if _POSITION.fullmatch(position) is None:
        return None
    if command == "/close":
        return TradeCancelRequested(
            position_id=position,
            signal_id="",
            who=who,
            route=ROUTE,
            reason=rest.strip() or NO_REASON,
        )
    price, _, reason = rest.strip().partition(" ")
    if _PRICE.fullmatch(price) is None:
        return None
    return ExitPlanChangeRequested(
        position_id=position,
        stop_price=Decimal(price) if command == "/stop" else None,
        target_price=Decimal(price) if command == "/target" else None,
        time_stop_at=None,
        who=who,
        route=ROUTE,
        reason=reason.strip() or NO_REASON,
    )


def _usage(command: str) -> str:
    return (
        f"Nothing was done. {USAGE[command]}, such as\n{EXAMPLE[command]}\n"
        "POSITION is P and 16 digits or letters a to f; the page and the question about a trade "
        "show it. PRICE has at most two decimals."
    )
