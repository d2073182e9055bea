"""The one enum of denial codes: every gate of a signal and every check of risk has its name here.

A code says what must hold; a gate or check that fails or cannot be evaluated is reported under
it. docs/denials.md is generated from this module (`denials_page`) and a test keeps it so.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Part(StrEnum):
    """Who evaluates a code."""

    SIGNAL = "Signal gates"
    DECISION = "Risk decision"
    ORDER = "Order checks"
    ROLL = "Roll of a condor"
    APPROVAL = "Trade approval"


class Denial(NamedTuple):
    part: Part
    explanation: str


class DenialCode(StrEnum):
    """Names of gates and checks, in the order in which they are listed."""

    SESSION_OPEN = "SESSION_OPEN"
    WINDOW = "WINDOW"
    BLACKOUT = "BLACKOUT"
    NO_SHOCK = "NO_SHOCK"
    DATA_FRESH = "DATA_FRESH"
    FEATURE_COVERAGE = "FEATURE_COVERAGE"
    MODEL_TRUST = "MODEL_TRUST"
    FORWARD_OK = "FORWARD_OK"
    REGIME = "REGIME"
    NO_AUCTION_DATA = "NO_AUCTION_DATA"
    AUCTION_GAIN_LEFT = "AUCTION_GAIN_LEFT"
    ENTRIES_TODAY = "ENTRIES_TODAY"
    OPEN_INTEREST = "OPEN_INTEREST"
    ENTRY_SCORE = "ENTRY_SCORE"
    NO_EXPIRY = "NO_EXPIRY"
    NO_STRIKE = "NO_STRIKE"
    LIQUIDITY = "LIQUIDITY"
    GREEKS_AGREE = "GREEKS_AGREE"
    EV_POSITIVE = "EV_POSITIVE"
    NO_DUPLICATE = "NO_DUPLICATE"
    COOLDOWN = "COOLDOWN"
    BROKER_READY = "BROKER_READY"
    KILL_SWITCH_OFF = "KILL_SWITCH_OFF"
    CLOCK_NORMAL = "CLOCK_NORMAL"

    SIGNAL_LIVE = "SIGNAL_LIVE"
    BUILD_AGREES = "BUILD_AGREES"
    EQUITY_FRESH = "EQUITY_FRESH"
    EQUITY_SURE = "EQUITY_SURE"
    RECONCILED = "RECONCILED"
    MAX_LOSS_BOUNDED = "MAX_LOSS_BOUNDED"
    LIMIT_POSITION = "LIMIT_POSITION"
    LIMIT_BUCKET = "LIMIT_BUCKET"
    LIMIT_SYMBOL = "LIMIT_SYMBOL"
    LIMIT_EXPIRY = "LIMIT_EXPIRY"
    LIMIT_DIRECTION = "LIMIT_DIRECTION"
    LIMIT_TOTAL = "LIMIT_TOTAL"
    POSITIONS_TOTAL = "POSITIONS_TOTAL"
    POSITIONS_SYMBOL = "POSITIONS_SYMBOL"
    POSITIONS_BUCKET = "POSITIONS_BUCKET"
    CONTRACTS_ORDER = "CONTRACTS_ORDER"
    CONTRACTS_LEG = "CONTRACTS_LEG"
    GREEK_DELTA = "GREEK_DELTA"
    GREEK_GAMMA = "GREEK_GAMMA"
    GREEK_VEGA = "GREEK_VEGA"
    GREEK_THETA = "GREEK_THETA"
    SCENARIO_NEAR = "SCENARIO_NEAR"
    SCENARIO_FULL = "SCENARIO_FULL"
    LOSS_SOFT = "LOSS_SOFT"
    LOSS_HARD = "LOSS_HARD"
    LOSS_BUCKET = "LOSS_BUCKET"
    DRAWDOWN = "DRAWDOWN"
    LOSS_STREAK = "LOSS_STREAK"
    SIZE = "SIZE"
    CONTRACT_IN_USE = "CONTRACT_IN_USE"
    DAY_TRADES = "DAY_TRADES"
    CASH_ACCOUNT = "CASH_ACCOUNT"
    MARGIN = "MARGIN"
    MARGIN_MISMATCH = "MARGIN_MISMATCH"
    MARGIN_EXCESS = "MARGIN_EXCESS"
    MARGIN_LOOK_AHEAD = "MARGIN_LOOK_AHEAD"

    PRICE_COLLAR = "PRICE_COLLAR"
    ORDER_VALUE = "ORDER_VALUE"
    FAIR_VALUE = "FAIR_VALUE"
    QUANTITY = "QUANTITY"
    PREMIUM = "PREMIUM"
    QUOTE_AGE = "QUOTE_AGE"
    UNDERLYING_AGE = "UNDERLYING_AGE"
    SIGNAL_AGE = "SIGNAL_AGE"
    REDUCE_ONLY = "REDUCE_ONLY"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    ORDER_REF_NEW = "ORDER_REF_NEW"
    RATE_BUCKET = "RATE_BUCKET"
    RATE_ALL = "RATE_ALL"
    RATE_REPLACE = "RATE_REPLACE"
    SELF_CROSS = "SELF_CROSS"
    OPTION_HOURS = "OPTION_HOURS"
    ORDER_TYPE = "ORDER_TYPE"
    ACCOUNT = "ACCOUNT"

    MAX_LOSS_NOT_HIGHER = "MAX_LOSS_NOT_HIGHER"
    POSITION_WHOLE = "POSITION_WHOLE"
    ROLL_ONCE = "ROLL_ONCE"
    ROLL_CREDIT = "ROLL_CREDIT"

    TRADE_APPROVED = "TRADE_APPROVED"


def _rows(part: Part, rows: dict[DenialCode, str]) -> dict[DenialCode, Denial]:
    return {code: Denial(part, text) for code, text in rows.items()}


_C = DenialCode
DENIALS: dict[DenialCode, Denial] = {
    **_rows(
        Part.SIGNAL,
        {
            _C.SESSION_OPEN: "The regular session of a planned day must be open.",
            _C.WINDOW: "The strategy's entry window must be open and at least 30 minutes long.",
            _C.BLACKOUT: "No calendar blackout may cover this moment.",
            _C.NO_SHOCK: "No news shock may be running.",
            _C.DATA_FRESH: "Underlying quote, bars and the traded surface must be inside their"
            " age limits.",
            _C.FEATURE_COVERAGE: "Enough of the score's weight must rest on available features.",
            _C.MODEL_TRUST: "The model's recent skill must not be below its floor.",
            _C.FORWARD_OK: "Put-call parity must give a forward for the traded expiry.",
            _C.REGIME: "The gamma regime must be one the strategy trades in.",
            _C.NO_AUCTION_DATA: "The closing imbalance of the symbol must be known.",
            _C.AUCTION_GAIN_LEFT: "Most of the expected closing move must be left and pay the"
            " costs several times.",
            _C.ENTRIES_TODAY: "Entries of the day, by symbol or by symbol and direction, must not"
            " be used up.",
            _C.OPEN_INTEREST: "Every leg of what is held for weeks needs open interest.",
            _C.ENTRY_SCORE: "The entry row's probability and price conditions must hold.",
            _C.NO_EXPIRY: "The expiry that the bucket names must be listed and evaluated.",
            _C.NO_STRIKE: "Listed strikes must satisfy delta, width, distance and price limits.",
            _C.LIQUIDITY: "Every leg needs a live line, a tight usable quote, size and interest.",
            _C.GREEKS_AGREE: "Our delta of every leg must agree with the broker's fresh one.",
            _C.EV_POSITIVE: "The expected value after costs must pass its minimum.",
            _C.NO_DUPLICATE: "No position may be open for this bucket, symbol and direction.",
            _C.COOLDOWN: "The waiting time after the last exit of this key must be over.",
            _C.BROKER_READY: "The broker must be connected, its snapshot consumed and equity"
            " fresh.",
            _C.KILL_SWITCH_OFF: "Trading must not be halted.",
            _C.CLOCK_NORMAL: "The clock must not run through a stretch closed to entries.",
        },
    ),
    **_rows(
        Part.DECISION,
        {
            _C.SIGNAL_LIVE: "The signal must be valid and inside its age limit.",
            _C.BUILD_AGREES: "The signal must be made by the build that decides on it.",
            _C.EQUITY_FRESH: "Net liquidation and the daily-P&L stream must be recent.",
            _C.EQUITY_SURE: "No account reading may wait for a second one that confirms its jump.",
            _C.RECONCILED: "The last reconciliation on this connection must be clean.",
            _C.MAX_LOSS_BOUNDED: "The structure's loss must be bounded, legs of one expiry.",
            _C.LIMIT_POSITION: "Maximum loss of one position, share of equity.",
            _C.LIMIT_BUCKET: "Open maximum loss of the bucket, share of equity.",
            _C.LIMIT_SYMBOL: "Open maximum loss of the symbol, share of equity.",
            _C.LIMIT_EXPIRY: "Open maximum loss of the expiry date, share of equity.",
            _C.LIMIT_DIRECTION: "Beta-weighted open maximum loss of one direction.",
            _C.LIMIT_TOTAL: "Open maximum loss of everything, share of equity.",
            _C.POSITIONS_TOTAL: "Number of open positions and working entries.",
            _C.POSITIONS_SYMBOL: "Number of open positions and working entries of the symbol.",
            _C.POSITIONS_BUCKET: "Number of open positions and working entries of the bucket.",
            _C.CONTRACTS_ORDER: "Contracts of one order.",
            _C.CONTRACTS_LEG: "Open contracts of each leg.",
            _C.GREEK_DELTA: "Beta-weighted dollar delta of the book.",
            _C.GREEK_GAMMA: "Beta-weighted dollar gamma per 1 % of the book.",
            _C.GREEK_VEGA: "Dollar vega per point of the book.",
            _C.GREEK_THETA: "Dollar theta paid per day by the book.",
            _C.SCENARIO_NEAR: "Worst revaluation loss for moves of up to 5 %.",
            _C.SCENARIO_FULL: "Worst revaluation loss over the whole grid.",
            _C.LOSS_SOFT: "After the soft daily loss, buckets that lost take no entry.",
            _C.LOSS_HARD: "After the hard daily loss there is no entry today.",
            _C.LOSS_BUCKET: "A bucket over its daily loss is off today.",
            _C.DRAWDOWN: "The drawdown from the high-water mark must be inside its limit.",
            _C.LOSS_STREAK: "After several stopped-out losses in a row the bucket pauses.",
            _C.SIZE: "The size vector must allow at least one unit.",
            _C.CONTRACT_IN_USE: "No position or working order may stand on the other side of a"
            " leg.",
            _C.DAY_TRADES: "The account must have a day trade left for a same-day round trip.",
            _C.CASH_ACCOUNT: "A cash account buys with settled funds and sells nothing short.",
            _C.MARGIN: "A structure with a short leg needs the broker's what-if answer.",
            _C.MARGIN_MISMATCH: "The broker's margin change must be near the local estimate.",
            _C.MARGIN_EXCESS: "Excess liquidity after the trade must keep its share of equity.",
            _C.MARGIN_LOOK_AHEAD: "Look-ahead and post-expiry excess must stay positive.",
        },
    ),
    **_rows(
        Part.ORDER,
        {
            _C.PRICE_COLLAR: "The limit price must be near the far side of the net quote.",
            _C.ORDER_VALUE: "The price must be one at which the structure can make sense.",
            _C.FAIR_VALUE: "The limit price must be near the model value.",
            _C.QUANTITY: "The quantity must be at least 1 and inside the order limit.",
            _C.PREMIUM: "The premium of one order, share of equity.",
            _C.QUOTE_AGE: "Every leg quote must be inside its age limit.",
            _C.UNDERLYING_AGE: "The underlying quote must be inside its age limit.",
            _C.SIGNAL_AGE: "The signal's time to live must not be over.",
            _C.REDUCE_ONLY: "While a limit is breached only orders that reduce risk may go.",
            _C.DUPLICATE_ORDER: "The same legs and side may not be ordered again at once.",
            _C.ORDER_REF_NEW: "The order reference may not have been used before.",
            _C.RATE_BUCKET: "New orders of the bucket in the last minute.",
            _C.RATE_ALL: "New orders of all buckets in the last minute.",
            _C.RATE_REPLACE: "Replacements of the order and of all orders in the last minute.",
            _C.SELF_CROSS: "We may not work both sides of one contract.",
            _C.OPTION_HOURS: "The option session must be open.",
            _C.ORDER_TYPE: "Limit orders for the day only; a resting stop is stop-limit.",
            _C.ACCOUNT: "Order, session and account must agree on account and paper or live.",
        },
    ),
    **_rows(
        Part.ROLL,
        {
            _C.MAX_LOSS_NOT_HIGHER: "The maximum loss after a roll must not be above that before.",
            _C.POSITION_WHOLE: "What is rolled must be held in whole condors that nobody leaves.",
            _C.ROLL_ONCE: "A position is rolled once, by one order at a time and few in all.",
            _C.ROLL_CREDIT: "A roll must bring more than it costs.",
        },
    ),
    **_rows(
        Part.APPROVAL,
        {_C.TRADE_APPROVED: "A person must approve the entry in time where the strategy asks."},
    ),
}


def denials_page() -> str:
    """The text of docs/denials.md."""
    lines = [
        "# Denial codes",
        "",
        "Generated from `domain/risk/codes.py` (`python -m domain.risk.codes`). A gate or check",
        "that fails, or cannot be evaluated, is reported under its code. Unevaluable never passes",
        "an entry; exits are never refused.",
    ]
    for part in Part:
        lines += ["", f"## {part.value}", "", "| code | what must hold |", "| --- | --- |"]
        lines += [
            f"| `{code.value}` | {denial.explanation} |"
            for code, denial in DENIALS.items()
            if denial.part is part
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(denials_page(), end="")
