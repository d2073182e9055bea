"""The closing-imbalance bucket: a single long option into the closing auction (rules, 4.7).

Bought on the imbalance between ten and three minutes before the close, of the next session's
expiry, and sold after the bell while options still trade. Never held over the night: deviations of
auction prices tend to revert after it. The stage is domain/signals/strategy.py.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from domain.analytics.traded import ExpiryRole
from domain.events.signals import Gate
from domain.instruments import Direction, Right, Strategy
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.session import Session
from domain.signals.bucket import Bucket, ExitTimes, Variant
from domain.signals.case import Case, Condition, gate, span
from domain.signals.closing_parameters import WEIGHT_SOURCES
from domain.signals.entry import at_least
from domain.signals.plan import debit_target_and_stop
from domain.signals.reading import Chain, Reading
from domain.signals.score import Score
from domain.signals.strategy import StrategyStage
from domain.signals.structure import Choice, Market, NoStructure, candidates, single_long

NO_NIGHT_NOTE = (
    "Sold after the bell at the latest: published evidence finds that deviations of closing-auction"
    " prices revert over the night."
)


def _name(name: str) -> str:
    return f"signals.moc.closing.{name}"


def _sign(case: Case) -> int:
    return 1 if case.direction is Direction.BULLISH else -1


def _along(value: float | None, sign: int) -> float | None:
    """A signed value as seen from the side that the case takes."""
    return None if value is None else value * sign


def indicative_condition(case: Case, parameters: ParameterState) -> Condition:
    """Indicative prices must not be on the other side. Nasdaq's are published for the last minutes
    alone: until then there may be none, from then on some must be known."""
    begins = case.session.before_close(minutes=parameters.number(_name("indicative_s")) / 60)
    along = _along(case.reading.number("auction_ind_dev_bps"), _sign(case))
    if along is None:
        return Condition("indicative", True if case.now < begins else None, "indicative -")
    deviation = case.reading.number("auction_ind_dev_bps")
    return Condition("indicative", along >= 0, f"indicative {deviation}")


def data_gate(case: Case) -> Gate:
    """An imbalance of the symbol is known."""
    imbalance = case.reading.number("auction_q")
    return gate(
        DenialCode.NO_AUCTION_DATA,
        True if imbalance is not None else None,
        "-" if imbalance is None else imbalance,
        "imbalance ticks of the last 30 s",
        case.reading.reason("auction_q") or ("" if imbalance is not None else "missing: auction_q"),
    )


def gain_gate(case: Case, parameters: ParameterState) -> Gate:
    """Most of the expected move is still to come, and it pays the costs several times."""
    number, reading, sign = parameters.number, case.reading, _sign(case)
    share, times = number(_name("moved_share_max")), number(_name("gain_costs_min"))
    threshold = f"moved <= {share} of the expected move, remaining gain >= {times:g} x cost"
    expected, moved = reading.number("auction_k_bps"), reading.number("auction_moved_bps")
    spot = reading.number("spot_mid")
    if expected is None or moved is None or spot is None:
        absent = [
            name
            for name, value in (
                ("auction_k_bps", expected),
                ("auction_moved_bps", moved),
                ("spot_mid", spot),
            )
            if value is None
        ]
        reason = f"missing: {', '.join(absent)}"
        return gate(DenialCode.AUCTION_GAIN_LEFT, None, "-", threshold, reason)
    if expected * sign < 0:
        told = f"expected move {expected:.2f} bps, on the other side"
        return gate(DenialCode.AUCTION_GAIN_LEFT, False, told, threshold)
    along = moved * sign
    measured = f"moved {along:.2f} of {abs(expected):.2f} bps"
    if along > share * abs(expected):
        return gate(DenialCode.AUCTION_GAIN_LEFT, False, measured, threshold)
    chosen, odds = case.chosen, case.odds
    delta = chosen.rows[0].delta if isinstance(chosen, Choice) else None
    if odds is None or delta is None:
        reason = "missing: structure"
        return gate(DenialCode.AUCTION_GAIN_LEFT, None, measured, threshold, reason)
    gain = (abs(expected) - along) / 1e4 * spot * abs(delta) * 100
    return gate(
        DenialCode.AUCTION_GAIN_LEFT,
        gain >= times * odds.cost_usd,
        f"{measured}, remaining gain {gain:.2f} USD, cost {odds.cost_usd:.2f}",
        threshold,
    )


def once_gate(case: Case) -> Gate:
    """One entry of the symbol a day, whichever way."""
    entries, entering = case.facts.entries_of_symbol, case.facts.entering_symbol
    return gate(
        DenialCode.ENTRIES_TODAY,
        entries == 0 and not entering,
        f"{entries}, another one being entered" if entering else entries,
        "none of the symbol today",
    )


class ClosingRules:
    """Rules of domain/signals/bucket.py."""

    def variant(
        self,
        direction: Direction,
        reading: Reading,
        session: Session,
        score: Score,
        parameters: ParameterState,
    ) -> Variant:
        return Variant.CLOSING

    def window(
        self, variant: Variant, session: Session, parameters: ParameterState
    ) -> tuple[datetime, datetime] | None:
        number = parameters.number
        return span(
            session.before_close(minutes=number(_name("start_s")) / 60),
            session.before_close(minutes=number(_name("end_s")) / 60),
            0.0,
        )

    def conditions(self, case: Case, parameters: ParameterState) -> list[Condition]:
        number, reading = parameters.number, case.reading
        score = _along(reading.number("auction_z"), _sign(case))
        p_min = number(_name("p_min"))
        return [
            Condition("p", case.p_side >= p_min, f"p {case.p_side:.4f}"),
            at_least("z", score, number(_name("z_min"))),
            at_least("held", reading.number("auction_sign_held_s"), number(_name("held_s"))),
            indicative_condition(case, parameters),
        ]

    def threshold_text(self, variant: Variant, parameters: ParameterState) -> str:
        number = parameters.number
        return (
            f"p >= {number(_name('p_min'))}, z of the imbalance >= {number(_name('z_min'))} on our"
            f" side for {number(_name('held_s')):g} s, indicative prices not on the other"
        )

    def own_gates(self, case: Case, parameters: ParameterState) -> list[Gate]:
        return [data_gate(case), gain_gate(case, parameters), once_gate(case)]

    def unfit_expiry(self, case: Case, parameters: ParameterState) -> str:
        return ""

    def choose(
        self, case: Case, chain: Chain, market: Market, parameters: ParameterState
    ) -> Choice | NoStructure:
        number = parameters.number
        right = Right.CALL if case.direction is Direction.BULLISH else Right.PUT
        rows = candidates(chain, right, parameters)
        target, off = number(_name("delta")), number(_name("delta_off_max"))
        return single_long(chain, rows.long, target, market.spot, off)

    def target_and_stop(
        self, choice: Choice, variant: Variant, parameters: ParameterState
    ) -> tuple[Decimal, Decimal]:
        number = parameters.number
        return debit_target_and_stop(choice, number(_name("target")), None, number(_name("stop")))

    def exit_times(
        self,
        variant: Variant,
        session: Session,
        now: datetime,
        expiry: date,
        parameters: ParameterState,
    ) -> ExitTimes:
        number = parameters.number
        return ExitTimes(
            session.close_at + timedelta(minutes=number(_name("time_stop_min"))),
            session.close_at + timedelta(minutes=number(_name("forced_flat_min"))),
        )


CLOSING = Bucket(
    strategy=Strategy.CLOSING,
    expiry=ExpiryRole.NEXT_SESSION,
    features=tuple(WEIGHT_SOURCES),
    directions=(Direction.BULLISH, Direction.BEARISH),
    variants=(Variant.CLOSING,),
    premium=frozenset(),
    invalidations={},
    notes={Variant.CLOSING: NO_NIGHT_NOTE},
    deviation="v_rem",
    rules=ClosingRules(),
)


class ClosingStage(StrategyStage):
    def __init__(self) -> None:
        super().__init__(CLOSING)
