"""A payload reads the same in one step and field by field, whatever stands in its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.payloads.unusual_whales import (
    frames_exposure,
    frames_flow,
    frames_trades,
    frames_volatility,
)
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.shapes import Codec
from tests.domain.payloads.frames import FRAMES

_READ: list[tuple[str, Codec[Any]]] = [
    ("option_trades:SPY", frames_trades.OPTION_TRADE),
    ("price:IWM", frames_trades.PRICE),
    ("off_lit_trades", frames_trades.SHARE_TRADE),
    ("futures:ESZ6", frames_trades.FUTURES_TRADE),
    ("gex:SPY", frames_exposure.EXPOSURE),
    ("gex_strike_expiry:IWM", frames_exposure.STRIKE_EXPOSURE),
    ("flow-alerts", frames_flow.FLOW_ALERT),
    ("interval_flow", frames_flow.INTERVAL_FLOW),
    ("contract_screener", frames_flow.SCREENED_CONTRACT),
    ("custom_alerts", frames_flow.CUSTOM_ALERT),
    ("market_tide", frames_flow.MARKET_TIDE),
    ("net_flow:SPY", frames_flow.NET_FLOW),
    ("news", frames_flow.NEWS),
    ("trading_halts", frames_flow.TRADING_HALT),
    ("interpolated_iv:IWM", frames_volatility.INTERPOLATED_IV),
    ("iv_term_structure:QQQ", frames_volatility.EXPIRY_IV),
]
_numerals = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("0123456789-+.eE_ :TZ\u0663aN", max_size=10),
    _numerals,
    st.sampled_from(
        [
            *("", "null", "NaN", "nan", "inf", "-Infinity", "1e999", "-0", " 1", "1_0", "true"),
            *("2026-10-06", "20261006", "2026-10-06T14:02:14Z", "1" * 301, "12.0", "1e3", "."),
        ]
    ),
    st.lists(st.text("ab", max_size=2) | st.integers(), max_size=2),
    st.dictionaries(st.text("ab", max_size=2), st.integers(), max_size=1),
)


def _outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except PayloadError as error:
        return str(error)


def _nobody_sends(value: Any) -> bool:
    """The numbers that domain/payloads/unusual_whales/shapes.py excepts."""
    if re.search(r"[eE][+-]?\d{5}", str(value)) or (
        isinstance(value, str) and value.lower() == "null"
    ):
        return True
    try:
        exact, nearest = Decimal(str(value)), float(value)
    except (TypeError, ValueError, ArithmeticError):
        return False
    if not exact.is_finite() or abs(exact) > 2**53:
        return False
    return exact != 0 if nearest == 0 else nearest.is_integer() and exact % 1 != 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_both_ways_say_the_same_of_any_payload(data: st.DataObject) -> None:
    channel, codec = data.draw(st.sampled_from(_READ))
    fields = json.loads(FRAMES[channel])
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        if data.draw(st.booleans()):
            fields.pop(name, None)
        else:
            fields[name] = data.draw(_values)
    payload = json.dumps(fields).encode()
    if any(_nobody_sends(value) for value in fields.values()):
        return
    symbol = channel.partition(":")[2]
    one_step = _outcome(lambda: codec.read(payload, symbol))
    by_field = _outcome(lambda: codec.typed(codec.shape.by_field(payload), symbol))
    assert one_step == by_field
