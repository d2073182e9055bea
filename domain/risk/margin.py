"""Margin: the local Reg T estimate, the comparison with the broker's what-if, what must remain.

Rules of 5.8. The broker's answer is authoritative; the estimate only shows when it makes no
sense. Called by the decision for every signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from domain.events.risk import Check
from domain.instruments import MULTIPLIER, Strategy, Structure, StructureKind
from domain.parameter import ParameterState
from domain.risk.check_row import check_row, missing_row
from domain.risk.codes import DenialCode
from domain.risk.max_loss import structure_width

_CASH_MULTIPLE = Decimal("1.5")
"""A margin account buys at least twice its funds, a cash account what it has."""
_CREDIT = (StructureKind.CREDIT_VERTICAL, StructureKind.IRON_CONDOR)


def local_estimate(structure: Structure, price: Decimal, units: int) -> Decimal:
    """Margin in dollars of units bought at `price` a share (negative: a credit).

    Long and debit: their cost. Vertical credit: width less credit. Condor: wider wing less
    credit. Source: Cboe margin manual, Rule 10.3.
    """
    if structure.kind not in _CREDIT:
        return max(Decimal(0), price) * MULTIPLIER * units
    width = structure_width(structure)
    if width is None:
        raise ValueError(f"a credit structure must have a width, was {structure.kind.value}")
    return max(Decimal(0), width + price) * MULTIPLIER * units


def account_number(values: dict[str, str], key: str) -> Decimal | None:
    """An account value as the broker names it; None when absent or no number."""
    text = values.get(key)
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker's what-if; `initial_change` None when it gave no number."""

    initial_change: Decimal | None
    maintenance_change: Decimal | None
    order_ref: str
    quantity: int
    """Units that were asked about: no more may be approved."""
    limit_price: Decimal
    age_seconds: float = 0.0
    """Real seconds since it was asked for: the answer is not older."""


def is_mismatch(estimate: Decimal, answered: Decimal, parameters: ParameterState) -> bool:
    """More than a share and more than an amount above the estimate. Less is no mismatch."""
    excess = answered - estimate
    share = Decimal(repr(parameters.number("risk.margin.mismatch_share")))
    amount = Decimal(repr(parameters.number("risk.margin.mismatch_usd")))
    return excess > estimate * share and excess > amount


def needs_what_if(structure: Structure, parameters: ParameterState) -> bool:
    """Every entry with a short leg; long options too when the parameter says every entry."""
    return structure.has_short_leg or parameters.text("risk.margin.what_if_for") == "every"


def _answer_checks(
    structure: Structure, estimate: Decimal, answer: Answer | None, parameters: ParameterState
) -> list[Check]:
    code = DenialCode
    if not needs_what_if(structure, parameters):
        source = "local estimate, no short leg"
        return [
            check_row(code.MARGIN, True, "no what-if needed", f"{estimate} USD", source),
            check_row(code.MARGIN_MISMATCH, True, "no what-if needed", f"{estimate} USD", source),
        ]
    oldest = parameters.number("risk.margin.what_if_age_max_s")
    wanted = f"an answer of at most {oldest:g} s"
    if answer is None or answer.initial_change is None:
        missing = "missing: what-if answer"
        return [
            check_row(code.MARGIN, None, wanted, "-", missing),
            check_row(code.MARGIN_MISMATCH, None, f"{estimate} USD", "-", missing),
        ]
    change = answer.initial_change
    source = f"what-if {answer.order_ref}"
    return [
        check_row(
            code.MARGIN,
            answer.age_seconds <= oldest,
            wanted,
            f"{change} USD, asked {answer.age_seconds:.1f} s ago",
            source,
        ),
        check_row(
            code.MARGIN_MISMATCH,
            not is_mismatch(estimate, change, parameters),
            f"{estimate} USD estimated",
            f"{change} USD",
            source,
        ),
    ]


def margin_checks(
    structure: Structure,
    estimate: Decimal | None,
    answer: Answer | None,
    values: dict[str, str],
    equity: Decimal | None,
    parameters: ParameterState,
    committed_usd: Decimal = Decimal(0),
) -> list[Check]:
    """What-if, mismatch, excess after the trade, look-ahead and post-expiry excess.

    `estimate` None: the structure has no bounded loss, so that no margin can be told.
    `committed_usd` is what entries that are not filled yet may still take: the account shows
    nothing of them, and they count as filled.
    """
    code = DenialCode
    if estimate is None:
        codes = (code.MARGIN, code.MARGIN_MISMATCH, code.MARGIN_EXCESS, code.MARGIN_LOOK_AHEAD)
        return [missing_row(each, "a bounded structure") for each in codes]
    checks = _answer_checks(structure, estimate, answer, parameters)
    change = estimate
    if answer is not None and answer.initial_change is not None:
        change = max(Decimal(0), answer.initial_change)
    change += committed_usd
    excess = account_number(values, "ExcessLiquidity")
    share = Decimal(repr(parameters.number("risk.margin.excess_share")))
    if excess is None or equity is None:
        name = "ExcessLiquidity" if excess is None else "equity"
        checks.append(check_row(code.MARGIN_EXCESS, None, "-", "-", f"missing: {name}"))
    else:
        least, left = equity * share, excess - change
        checks.append(
            check_row(code.MARGIN_EXCESS, left >= least, f"{least} USD", f"{left} USD", "account")
        )
    ahead = account_number(values, "LookAheadExcessLiquidity")
    expiry = account_number(values, "PostExpirationExcess")
    if ahead is None or expiry is None:
        name = "LookAheadExcessLiquidity" if ahead is None else "PostExpirationExcess"
        checks.append(check_row(code.MARGIN_LOOK_AHEAD, None, "> 0 USD", "-", f"missing: {name}"))
    else:
        worst = min(ahead - change, expiry)
        checks.append(
            check_row(code.MARGIN_LOOK_AHEAD, worst > 0, "> 0 USD", f"{worst} USD", "account")
        )
    return checks


def day_trade_check(
    strategy: Strategy,
    values: dict[str, str],
    equity: Decimal | None,
    day_trades: int,
    parameters: ParameterState,
) -> Check:
    """Entries that must be closed the same day need a day trade left (5.8, rule 5).

    `day_trades` are ours in the last five sessions, for the strict mode.
    """
    mode = parameters.text("risk.pdt_mode")
    code = DenialCode.DAY_TRADES
    same_day = strategy in (Strategy.ZERO_DTE, Strategy.CLOSING)
    if mode == "off" or not same_day:
        return check_row(code, True, mode, "not needed", "parameter")
    if mode == "strict":
        if equity is None:
            return check_row(code, None, "25000 USD or under 3", day_trades, "missing: equity")
        blocked = equity < 25_000 and day_trades >= 3
        return check_row(code, not blocked, "25000 USD or under 3", day_trades, "own positions")
    left = account_number(values, "DayTradesRemaining")
    if left is None:
        return check_row(code, True, "not 0", "not reported", "account")
    return check_row(code, left != 0, "not 0", left, "account")


def is_cash_account(values: dict[str, str], parameters: ParameterState) -> bool | None:
    """By the parameter, or by what the account can buy: a margin account buys a multiple of its
    available funds. None when the account does not tell."""
    kind = parameters.text("risk.account_kind")
    if kind != "broker_field":
        return kind == "cash"
    power = account_number(values, "BuyingPower")
    funds = account_number(values, "AvailableFunds")
    if power is None or funds is None:
        return None
    return power <= funds * _CASH_MULTIPLE


def cash_account_check(
    structure: Structure,
    cost_usd: Decimal | None,
    committed_usd: Decimal,
    values: dict[str, str],
    parameters: ParameterState,
) -> Check:
    """A cash account buys with settled funds, and sells nothing short (5.8, rule 5).

    `committed_usd` is what entries that are not filled yet may still cost.
    """
    code = DenialCode.CASH_ACCOUNT
    is_cash = is_cash_account(values, parameters)
    if is_cash is None:
        missing = "missing: BuyingPower or AvailableFunds"
        return check_row(code, None, "margin, or settled funds", "-", missing)
    if not is_cash:
        return check_row(code, True, "margin, or settled funds", "margin account", "account")
    if structure.has_short_leg:
        return check_row(code, False, "no short leg", structure.kind.value, "cash account")
    settled = account_number(values, "SettledCash")
    if settled is None or cost_usd is None:
        name = "SettledCash" if settled is None else "max loss"
        return check_row(code, None, "settled funds", "-", f"missing: {name}")
    left = settled - committed_usd
    return check_row(code, cost_usd <= left, f"{left} USD", f"{cost_usd} USD", "SettledCash")
