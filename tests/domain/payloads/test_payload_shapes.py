"""A payload reads the same in one step and field by field, whatever stands in its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.payloads.unusual_whales import socket_frames as frames
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.shapes import Shape
from tests.domain.payloads.test_unusual_whales_payloads import OPTION_TRADE

_STRIKE = (
    b'{"ticker":"IWM","expiry":"2026-10-06","timestamp":1791295322000,"strike":"252","price":'
    b'"252.07","call_gamma_oi":"302344.25","put_gamma_oi":"-1.5","call_gamma_ask_vol":"-80646.25",'
    b'"call_gamma_bid":"7","put_gamma_vol":"0","time":"2026-10-06T14:02:14Z"}'
)
_PRICE = b'{"ticker":"IWM","close":"252.07","time":1791295322330,"vol":11873021}'
_READ: list[tuple[bytes, Shape, Callable[[Any], Any]]] = [
    (OPTION_TRADE, frames._OPTION_TRADE, frames._option_trade),
    (_PRICE, frames._PRICE, frames._price),
    (_STRIKE, frames._STRIKE_EXPOSURE, frames._strike_exposure),
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
    if re.search(r"[eE][+-]?\d{5}", str(value)):
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
    payload, shape, typed = data.draw(st.sampled_from(_READ))
    fields = json.loads(payload)
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        if data.draw(st.booleans()):
            fields.pop(name, None)
        else:
            fields[name] = data.draw(_values)
    payload = json.dumps(fields).encode()
    if any(_nobody_sends(value) for value in fields.values()):
        return
    one_step = _outcome(lambda: shape.read(payload, typed))
    by_field = _outcome(lambda: typed(shape.by_field(payload)))
    assert one_step == by_field
