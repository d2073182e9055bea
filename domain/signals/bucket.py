"""What a strategy bucket is: its data, and the few decisions that its own module makes.

One StrategyStage (domain/signals/strategy.py) serves every bucket. A bucket's module, such as
zero_dte.py, describes it as a `Bucket` and implements `Rules`; what all buckets share, such as the
gates, the life of a signal and the feature table, stands in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from domain.analytics.traded import ExpiryRole
from domain.events.signals import Gate
from domain.instruments import Direction, Strategy
from domain.parameter import ParameterState
from domain.session import Session

if TYPE_CHECKING:
    from domain.signals.case import Case, Condition
    from domain.signals.reading import Chain, Reading
    from domain.signals.score import Score
    from domain.signals.structure import Choice, Market, NoStructure


class Variant(StrEnum):
    """Which entry row of a bucket a signal follows. The lower-case value names its parameters."""

    TREND = "TREND"
    RANGE = "RANGE"
    NIGHT_PREMIUM = "NIGHT_PREMIUM"
    NIGHT_DIRECTION = "NIGHT_DIRECTION"
    CLOSING = "CLOSING"
    CREDIT = "CREDIT"
    CONDOR = "CONDOR"
    DEBIT = "DEBIT"
    BETWEEN_CREDIT = "BETWEEN_CREDIT"
    BETWEEN_DEBIT = "BETWEEN_DEBIT"


@dataclass(frozen=True, slots=True)
class ExpiryMetrics:
    """Names of the metrics that describe the traded expiry."""

    atm_iv: str
    em_1sd: str
    forward_ok: str
    valid_strikes: str
    vrp: str
    variance: str
    """Forecast variance to the expiry."""


def metrics_of_role(role: ExpiryRole) -> ExpiryMetrics:
    return ExpiryMetrics(
        atm_iv=f"atm_iv_{role}",
        em_1sd=f"em_1sd_{role}",
        forward_ok=f"forward_ok_{role}",
        valid_strikes=f"surface_valid_strikes_{role}",
        vrp=f"vrp_{role}",
        variance=f"v_to_expiry_{role}",
    )


@dataclass(frozen=True, slots=True)
class ExitTimes:
    """When a position opened now is left by the clock. `time_stop_at` may lie behind the other."""

    time_stop_at: datetime
    forced_flat_at: datetime


class Rules(Protocol):
    """What differs between buckets beyond data. Pure: everything comes in as arguments."""

    def variant(
        self,
        direction: Direction,
        reading: Reading,
        session: Session,
        score: Score,
        parameters: ParameterState,
    ) -> Variant:
        """The entry row that a new candidate of this direction would follow."""

    def window(
        self, variant: Variant, session: Session, parameters: ParameterState
    ) -> tuple[datetime, datetime] | None:
        """Entry window; None when the day is too short for it."""

    def conditions(self, case: Case, parameters: ParameterState) -> list[Condition]:
        """The entry row: a candidate arises and lives while all hold."""

    def threshold_text(self, variant: Variant, parameters: ParameterState) -> str:
        """What ENTRY_SCORE was measured against."""

    def own_gates(self, case: Case, parameters: ParameterState) -> list[Gate]:
        """Gates of this bucket alone, REGIME first; listed after FORWARD_OK."""

    def unfit_expiry(self, case: Case, parameters: ParameterState) -> str:
        """Why another expiry is to be tried today; empty where the role leaves no other, or this
        one will do."""

    def choose(
        self, case: Case, chain: Chain, market: Market, parameters: ParameterState
    ) -> Choice | NoStructure:
        """Strikes and structure (4.8); `case` has no structure yet."""

    def target_and_stop(
        self, choice: Choice, variant: Variant, parameters: ParameterState
    ) -> tuple[Decimal, Decimal]:
        """Prices of the structure as bought at which it is left with a gain and with a loss."""

    def exit_times(
        self,
        variant: Variant,
        session: Session,
        now: datetime,
        expiry: date,
        parameters: ParameterState,
    ) -> ExitTimes:
        """Time stop and forced flat of a position of this expiry opened now."""


@dataclass(frozen=True)
class Bucket:
    """A strategy as data."""

    strategy: Strategy
    expiry: ExpiryRole
    features: tuple[str, ...]
    """Features with a weight `signals.<slug>.weight.<feature>`, in the table's order."""
    directions: tuple[Direction, ...]
    """Looked at in this order at every evaluation point."""
    variants: tuple[Variant, ...]
    premium: frozenset[Variant]
    """Variants that sell premium: judged by the neutral score and its p_win."""
    invalidations: Mapping[Variant, str]
    """Named rule on the underlying of a variant's exit plan; none when absent."""
    notes: Mapping[Variant, str]
    """Sentence that ends the rationale of a variant."""
    deviation: str
    """Metric of the variance whose root is the distance unit of strikes."""
    rules: Rules = field(compare=False)
    liquidity: str = "signals.liquidity"
    """Prefix of the spread limits of LIQUIDITY."""
    by_direction: frozenset[Variant] = frozenset()
    """Variants that sell premium but whose p_min is a probability of the direction."""
    p_min_in_regime: Mapping[tuple[Variant, str], str] = field(default_factory=dict)
    """Name of the parameter that stands for p_min of a variant in a gamma regime."""

    @cached_property
    def prefix(self) -> str:
        return f"signals.{self.strategy.slug}"

    @cached_property
    def requester(self) -> str:
        """Name under which lines are wanted, and of the stage."""
        return f"signals.{self.strategy.slug}"

    @cached_property
    def metrics(self) -> ExpiryMetrics:
        return metrics_of_role(self.expiry)

    @cached_property
    def weights(self) -> tuple[tuple[str, str], ...]:
        """Each feature with the name of its weight."""
        return tuple((name, f"{self.prefix}.weight.{name}") for name in self.features)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Metrics without which there is no structure: strikes and size rest on them."""
        names = ("spot_mid", "spot_bid", "spot_ask", "v_rem", self.metrics.vrp, "rv_hat_day")
        return names if self.deviation in names else (*names, self.deviation)

    def p_min_of(self, variant: Variant, regime: str) -> str:
        """Name of the probability that an entry of the variant needs in a gamma regime."""
        return self.of(variant, self.p_min_in_regime.get((variant, regime), "p_min"))

    def of(self, variant: Variant, name: str) -> str:
        """Name of a variant's parameter, such as signals.0dte.trend.p_min."""
        return f"{self.prefix}.{variant.value.lower()}.{name}"
