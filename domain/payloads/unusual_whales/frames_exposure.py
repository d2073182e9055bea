"""Socket payloads of dealer exposures: of a symbol, of its strikes, of index boards."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from domain.payloads.unusual_whales.reading import PayloadError, read_object
from domain.payloads.unusual_whales.shapes import Codec, symbol_of

BOARD_ROWS_MAX = 2_048
"""Rows of one periscope frame; the vendor sends at most 1,024."""


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """gex: dealer exposures of a symbol, dollars for a 1 % move; by open interest, by volume, and
    by directed volume."""

    symbol: str
    at: datetime
    price: Decimal | None
    gamma_oi: float | None
    delta_oi: float | None
    charm_oi: float | None
    vanna_oi: float | None
    gamma_volume: float | None
    delta_volume: float | None
    charm_volume: float | None
    vanna_volume: float | None
    gamma_directed: float | None
    charm_directed: float | None
    vanna_directed: float | None


class StrikeExposure(msgspec.Struct, frozen=True, gc=False):
    """gex_strike and gex_strike_expiry: exposures of one strike. Put gamma is negative."""

    symbol: str
    at: datetime
    expiry: date | None
    strike: Decimal
    price: Decimal | None
    call_delta_oi: float | None
    put_delta_oi: float | None
    call_gamma_oi: float | None
    put_gamma_oi: float | None
    call_charm_oi: float | None
    put_charm_oi: float | None
    call_vanna_oi: float | None
    put_vanna_oi: float | None
    call_delta_volume: float | None
    put_delta_volume: float | None
    call_gamma_volume: float | None
    put_gamma_volume: float | None
    call_charm_volume: float | None
    put_charm_volume: float | None
    call_vanna_volume: float | None
    put_vanna_volume: float | None
    call_gamma_ask_volume: float | None
    call_gamma_bid_volume: float | None
    put_gamma_ask_volume: float | None
    put_gamma_bid_volume: float | None
    call_charm_ask_volume: float | None
    call_charm_bid_volume: float | None
    put_charm_ask_volume: float | None
    put_charm_bid_volume: float | None
    call_vanna_ask_volume: float | None
    call_vanna_bid_volume: float | None
    put_vanna_ask_volume: float | None
    put_vanna_bid_volume: float | None


class BoardRow(msgspec.Struct, frozen=True, gc=False):
    """Exposures of one strike and expiry of an index board."""

    strike: Decimal
    expiry: date
    gamma: float | None
    charm: float | None
    vanna: float | None


class Board(msgspec.Struct, frozen=True, gc=False):
    """periscope: a part of a snapshot, which is whole when its rows are `total_rows`. All parts
    have the same time; when another begins, one that is not whole is to be dropped."""

    symbol: str
    at: datetime
    total_rows: int
    has_more: bool
    rows: tuple[BoardRow, ...]


def _per_percent(*names: str) -> dict[str, str]:
    ends = {"volume": "vol", "directed": "dir", "oi": "oi"}
    found = {}
    for name in names:
        greek, _, kind = name.partition("_")
        if kind in ends:
            found[name] = f"{greek}_per_one_percent_move_{ends[kind]}"
    return found


def _short(*names: str) -> dict[str, str]:
    return {name: name.removesuffix("volume") + "vol" for name in names if name.endswith("volume")}


EXPOSURE = Codec(
    Exposure,
    symbol="ticker",
    at="timestamp",
    names_on_wire=_per_percent(*Exposure.__struct_fields__),
)
STRIKE_EXPOSURE = Codec(
    StrikeExposure,
    symbol="ticker",
    at="timestamp",
    names_on_wire=_short(*StrikeExposure.__struct_fields__),
)
STRIKE_EXPOSURE_ROW = Codec(
    StrikeExposure,
    symbol="ticker",
    at="time",
    names_on_wire={
        name: on_wire.replace("ask_vol", "ask").replace("bid_vol", "bid")
        for name, on_wire in _short(*StrikeExposure.__struct_fields__).items()
    },
)
"""Rows of the REST boards, which name the split by side without _vol, and the time `time`."""


def read_board(payload: bytes, symbol: str = "") -> Board:
    """Reads channel periscope.

    Raises:
        PayloadError: the payload is not what the channel carries.
    """
    fields = read_object(payload)
    rows = fields.rows("rows")
    if len(rows) > BOARD_ROWS_MAX:
        raise PayloadError(f"rows must be at most {BOARD_ROWS_MAX}, were {len(rows)}")
    typed = []
    for row in rows:
        expiry = row.day("expiry")
        if expiry is None:
            raise PayloadError("expiry must be a date, was absent")
        typed.append(
            BoardRow(
                strike=row.required_exact("strike"),
                expiry=expiry,
                gamma=row.number("gamma"),
                charm=row.number("charm"),
                vanna=row.number("vanna"),
            )
        )
    return Board(
        symbol=symbol_of(fields.text("ticker") or symbol),
        at=fields.required_instant("timestamp"),
        total_rows=fields.count("total_rows"),
        has_more=fields.flag("has_more") or False,
        rows=tuple(typed),
    )
