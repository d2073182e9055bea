"""Bodies of the controls and of log-in, and the queries of the reads, checked on arrival."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api.log_pages import LIMIT_MAX
from api.passwords import PASSWORD_CHARACTERS_MAX

REASON_CHARACTERS_MIN = 8
REASON_CHARACTERS_MAX = 500


class Sent(BaseModel):
    """A body or query: unknown names are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Reason = Annotated[str, Field(min_length=REASON_CHARACTERS_MIN, max_length=REASON_CHARACTERS_MAX)]


class LoginBody(Sent):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)]


class ReasonBody(Sent):
    reason: Reason


class ReleaseBody(ReasonBody):
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)]


class FlattenBody(ReasonBody):
    confirm: Literal["FLATTEN"] = "FLATTEN"


LimitName = Annotated[str, Field(pattern=r"^risk\.[A-Za-z0-9_.+-]{1,80}$")]


class LimitsBody(ReleaseBody):
    """`until` null: for good."""

    values: Annotated[dict[LimitName, bool | float | str], Field(min_length=1, max_length=50)]
    until: AwareDatetime | None = None


ParameterName = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_.+-]{0,84}$")]


class ParametersBody(ReleaseBody):
    """`expected_version` is that of the parameters that were looked at; `until` null: for good."""

    values: Annotated[dict[ParameterName, bool | float | str], Field(min_length=1, max_length=50)]
    expected_version: Annotated[int, Field(ge=0)]
    until: AwareDatetime | None = None


Price = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]


class ExitPlanBody(ReasonBody):
    """Null leaves one as it is. Prices of the structure a share, as bought."""

    stop_price: Price | None = None
    target_price: Price | None = None
    time_stop_at: AwareDatetime | None = None


class EvidenceBody(ReleaseBody):
    """`evidence` says where it is written: a statement, a number, a mail."""

    evidence: Reason


class AdjustmentBody(EvidenceBody):
    """`quantity` is the broker's holding less ours. Without a position it is nobody's."""

    con_id: Annotated[int, Field(gt=0, lt=2**53)]
    quantity: Annotated[int, Field(ge=-100_000, le=100_000)]
    position_id: Annotated[str, Field(pattern=r"^(P[0-9a-f]{16})?$")] = ""
    price: Annotated[Decimal | None, Field(ge=0, max_digits=9, decimal_places=4)] = None


class CashFlowBody(EvidenceBody):
    """A withdrawal is negative."""

    amount: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class CacheBody(ReasonBody):
    cache: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")] = "hot"


class AcknowledgeBody(Sent):
    comment: Reason
    until: AwareDatetime | None = None


def _words(value: object) -> object:
    return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value


Types = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Za-z]{1,60}$")], ...],
    BeforeValidator(_words),
    Field(max_length=40, json_schema_extra={"description": "comma-separated event types"}),
]


class TimelineQuery(Sent):
    """`after` is the position of the last row seen, in the direction of `order`."""

    correlation: UUID | None = None
    type: Types = ()
    without: Types = ()
    retention: Literal["desk", "market", "all"] = "desk"
    symbol: Annotated[str, Field(pattern=r"^[A-Za-z.]{0,8}$")] = ""
    stream: Annotated[str, Field(max_length=120)] = ""
    worker: Annotated[str, Field(max_length=60)] = ""
    text: Annotated[str, Field(max_length=100)] = ""
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None
    time: Literal["market", "recorded"] = "market"
    order: Literal["newest", "oldest"] = "newest"
    after: Annotated[int | None, Field(ge=0, le=2**62)] = None
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 100

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        return self.since, self.until


class EventQuery(Sent):
    full: bool = False


class RowsQuery(Sent):
    """`open` leaves out what is over."""

    open: bool = False
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 200


class StreamQuery(Sent):
    after: Annotated[int | None, Field(ge=0, le=2**62)] = None
