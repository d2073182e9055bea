"""Decoders of Unusual Whales payloads: documented shapes in, typed values out, never a crash."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events.feeds import (
    UwFrame,
    UwGexStrikeReceived,
    UwIntervalFlowReceived,
    UwOptionTradeReceived,
    UwOtherReceived,
)
from domain.instruments import Right
from domain.payloads import unusual_whales as uw
from domain.payloads.unusual_whales.known_fields import CHANNELS
from tests.domain.payloads.frames import FRAMES

OPTION_TRADE = (
    b'{"id":"5b1f0f0e-0000-4000-8000-000000000001","underlying_symbol":"SPY","executed_at":'
    b'1791295320120,"nbbo_bid":"2.41","nbbo_ask":"2.43","size":12,"price":"2.43","option_symbol":'
    b'"SPY261006C00770000","created_at":1791295320171,"report_flags":[],"tags":["ask_side",'
    b'"bullish","etf"],"expiry":"2026-10-06","option_type":"call","open_interest":8120,"strike":'
    b'"770","premium":"2916.00","volume":40311,"underlying_price":"769.88","ewma_nbbo_ask":"2.43",'
    b'"ewma_nbbo_bid":"2.41","implied_volatility":"0.1412204410","delta":"0.4871","theta":'
    b'"-1.9021","gamma":"0.0561","vega":"0.1130","rho":"0.0069","theo":"2.42","trade_code":'
    b'"slan,isoi","exchange":"XCBO","ask_vol":19802,"bid_vol":18290,"no_side_vol":11,"mid_vol":'
    b'2208,"multi_vol":1768,"stock_multi_vol":0}'
)
FLOW_ALERT = (
    b'{"rule_id":"r","rule_name":"RepeatedHits","ticker":"QQQ","option_chain":'
    b'"QQQ261009P00735000","underlying_price":738.12,"volume":5120,"total_size":640,'
    b'"total_premium":231040.0,"total_ask_side_prem":201110.0,"total_bid_side_prem":0.0,'
    b'"start_time":1791295321010,"end_time":1791295321032,"url":"","price":3.61,"has_multileg":'
    b'false,"has_sweep":true,"has_floor":false,"open_interest":9044,"all_opening_trades":false,'
    b'"id":"alert-1","has_singleleg":true,"volume_oi_ratio":0.566121185316232,"trade_ids":["a",'
    b'"b"],"trade_count":2,"expiry_count":1,"executed_at":1791295321032,"ask_vol":2710,"bid_vol":'
    b'1890,"no_side_vol":0,"mid_vol":520,"multi_vol":310,"stock_multi_vol":0,'
    b'"upstream_condition_details":["auto"],"exchanges":["XCBO"],"bid":"3.59","ask":"3.62"}'
)
NEWS = (
    b'{"headline":"Fed speaker &amp; friends","timestamp":"2026-10-06T14:02:11Z","source":'
    b'"social-media","tickers":["SPY"],"is_trump_ts":false}'
)
TIDE = (
    b'{"timestamp":"2026-10-06T14:02:14Z","net_volume":-812,"net_call_premium":"-301220.0",'
    b'"net_put_premium":"155410.0","otm_net_volume":-410,"otm_net_call_premium":"-120330.0",'
    b'"otm_net_put_premium":"88010.0"}'
)
NET_FLOW = (
    b'{"ticker":"SPY","net_call_prem":"20412.00","net_call_vol":35,"net_put_prem":"-11800.00",'
    b'"net_put_vol":-22,"time":1791295324003}'
)


def changed(payload: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(payload), **fields}).encode()


def test_an_option_trade_reads_exact_prices_and_float_greeks() -> None:
    trade = uw.read_option_trade(OPTION_TRADE)
    assert (trade.price, trade.bid, trade.ask) == (
        Decimal("2.43"), Decimal("2.41"), Decimal("2.43"),
    )  # fmt: skip
    assert (trade.expiry, trade.right, trade.strike) == (
        date(2026, 10, 6), Right.CALL, Decimal("770"),
    )  # fmt: skip
    assert trade.executed_at == datetime(2026, 10, 6, 14, 2, 0, 120_000, tzinfo=UTC)
    assert trade.delta == 0.4871
    assert trade.tagged_side == 1
    assert trade.trade_codes == ("slan", "isoi")


def test_an_option_trade_of_an_index_has_no_underlying_price() -> None:
    assert uw.read_option_trade(changed(OPTION_TRADE, underlying_price="")).underlying_price is None


def test_numbers_may_come_as_text_or_as_numbers() -> None:
    alert = uw.read_flow_alert(FLOW_ALERT)
    as_text = uw.read_flow_alert(
        changed(FLOW_ALERT, total_premium="231040.0", price="3.61", volume="5120")
    )
    assert alert == as_text
    assert alert.price == Decimal("3.61")


def test_a_very_long_decimal_is_read() -> None:
    long = "0." + "1" * 169
    assert uw.read_option_trade(changed(OPTION_TRADE, delta=long)).delta == pytest.approx(1 / 9)


def test_a_wrong_kind_of_field_is_an_error_that_names_it() -> None:
    with pytest.raises(uw.PayloadError, match="price must be a number"):
        uw.read_option_trade(changed(OPTION_TRADE, price=["2.43"]))
    for size in (1.5, None):
        with pytest.raises(uw.PayloadError, match="size must be a whole number"):
            uw.read_option_trade(changed(OPTION_TRADE, size=size))


def test_the_channel_gives_the_ticker_that_an_old_price_payload_lacks() -> None:
    price = uw.read_price(b'{"close":"252.07","time":1791295322330,"vol":11873021}', "IWM")
    assert (price.symbol, price.close) == ("IWM", Decimal("252.07"))


def test_an_empty_delta_exposure_reads_as_none() -> None:
    payload = (
        b'{"ticker":"SPY","timestamp":1791295322000,"price":"769.90",'
        b'"gamma_per_one_percent_move_oi":"-3120450881.25","delta_per_one_percent_move_oi":""}'
    )
    exposure = uw.read_exposure(payload, "SPY")
    assert exposure.gamma_oi == -3120450881.25
    assert exposure.delta_oi is None


def test_rest_and_socket_names_of_the_side_split_are_both_read() -> None:
    socket = b'{"strike":"740","timestamp":1791295322000,"call_gamma_ask_vol":"-80646.25"}'
    rest = b'{"strike":"740","time":"2026-10-06T14:02:14Z","call_gamma_ask":"-80646.25"}'
    assert uw.read_strike_exposure(socket, "QQQ").call_gamma_ask_volume == -80646.25
    assert uw.read_strike_exposure_row(rest, "QQQ").call_gamma_ask_volume == -80646.25


def test_tide_and_net_flow_read() -> None:
    assert uw.read_market_tide(TIDE).net_call_premium == -301220.0
    assert uw.read_net_flow(NET_FLOW, "SPY").net_put_volume == -22


def test_contract_rows_keep_the_null_group() -> None:
    body = (
        b'{"data":[{"option_symbol":"SPY261006P00700000","volume":0,"open_interest":12,"nbbo_bid":'
        b'"0","nbbo_ask":"0.01","total_premium":"0","last_price":null,"avg_price":null,'
        b'"high_price":null,"low_price":null,"implied_volatility":null}]}'
    )
    (row,) = uw.read_option_contracts(body)
    assert (row.bid, row.last_price, row.implied_volatility) == (Decimal(0), None, None)


def test_times_with_offset_blank_or_microseconds_are_read() -> None:
    def tide(at: str) -> datetime:
        body = json.dumps(
            {"data": [{"timestamp": at, "net_call_premium": "1", "net_put_premium": "2"}]}
        )
        return uw.read_market_tide_rows(body.encode())[0].at

    expected = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
    assert tide("2026-10-06T09:30:00-04:00") == expected
    assert tide("2026-10-06 09:30:00-04:00") == expected
    assert tide("2026-10-06T13:30:00.000000Z") == expected


def test_calendar_and_rank_rows_read() -> None:
    lines = uw.read_economic_calendar(
        b'{"data":[{"type":"report","event":"*CPI","time":"2026-10-14T12:30:00Z",'
        b'"reported_period":"","prev":"","forecast":"0.2%"}]}'
    )
    assert (lines[0].event, lines[0].previous, lines[0].forecast) == ("CPI", None, "0.2%")
    ranks = uw.read_iv_rank(b'[{"date":"2026-10-05","close":"767","iv_rank_1y":"31.2"}]')
    assert ranks[0].rank == 31.2


def test_natural_keys_are_the_vendors_ids_where_there_are_any() -> None:
    key = uw.natural_key("option_trades:SPY", OPTION_TRADE)
    assert key == "5b1f0f0e-0000-4000-8000-000000000001"
    assert uw.natural_key("flow-alerts", FLOW_ALERT) == "alert-1"
    assert uw.natural_key("news", NEWS) == (
        "social-media|2026-10-06T14:02:11Z|Fed speaker &amp; friends"
    )
    assert uw.natural_key("market_tide", TIDE) is None
    assert uw.natural_key("option_trades:SPY", b"not json") is None


def test_channels_map_to_their_event_classes() -> None:
    assert uw.frame_type("option_trades:SPY") is UwOptionTradeReceived
    assert uw.frame_type("gex_strike:QQQ") is UwGexStrikeReceived
    assert uw.frame_type("interval_flow") is UwIntervalFlowReceived
    assert uw.frame_type("congress") is UwOtherReceived


@pytest.mark.parametrize("channel", FRAMES)
def test_documented_payloads_show_no_drift_and_changed_ones_do(channel: str) -> None:
    payload = FRAMES[channel]
    assert uw.drift(channel, payload) == []
    fields = json.loads(payload)
    first = next(iter(fields))
    smaller = {name: value for name, value in fields.items() if name != first}
    expected = [] if channel.startswith("price") else [("vanished_field", first)]
    assert _kinds(uw.drift(channel, json.dumps(smaller).encode())) == expected
    assert _kinds(uw.drift(channel, changed(payload, brand_new=1))) == [("new_field", "brand_new")]
    assert _kinds(uw.drift(channel, changed(payload, **{first: [{}]}))) == [("changed_type", first)]


def test_an_absent_value_is_no_drift_and_the_kind_that_came_is_told() -> None:
    assert uw.drift("news", changed(NEWS, source=None, is_trump_ts=None)) == []
    assert uw.drift("price:SPY", b'{"close":252.07,"time":1791295322330,"vol":"1"}') == [
        ("changed_type", "close", "must be decimal, was number"),
        ("changed_type", "vol", "must be whole, was decimal"),
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"data":["SPY261006C00660000","QQQ261006P00500000"]}', []),
        (b'["SPY261006C00660000"]', []),
        (b'{"data":[]}', []),
        (b'{"data":[{"option_symbol":"SPY261006C00660000"},7]}',
         ["must be text, was object", "must be text, was whole"]),
        (b'{"data":{"SPY":1}}', ["must be list, was object"]),
        (b'{"error":"x"}', ["must be list, was null"]),
    ],
)  # fmt: skip
def test_a_list_of_contracts_is_texts_and_anything_else_is_drift(
    body: bytes, told: list[str]
) -> None:
    found = uw.rest_drift("/api/stock/{ticker}/option-chains", body)
    assert [difference.detail for difference in found] == told
    assert {difference.kind for difference in found} <= {"changed_type"}


def test_prints_of_rest_have_known_fields_under_the_names_that_rest_gives_them() -> None:
    endpoint = "/api/option-trades"
    row = (
        b'{"id":"a","option_chain_id":"SPY261006C00660000","underlying_symbol":"SPY",'
        b'"executed_at":"2026-10-06T14:00:00.5Z","price":"1.5","premium":"150","size":1,'
        b'"volume":9,"canceled":false,"flow_alert_id":null,"er_time":null%s}'
    )
    assert uw.rest_drift(endpoint, b'{"data":[%s]}' % (row % b"")) == []
    assert _kinds(uw.rest_drift(endpoint, row % b',"nbbo_bid":1.5,"brand":2')) == [
        ("changed_type", "nbbo_bid"),
        ("new_field", "brand"),
    ]


def test_rest_drift_lists_each_difference_once() -> None:
    body = b'{"data":[{"date":"2026-10-05","close":"1","volatility":"0.1","iv_rank_1y":"2"},{}]}'
    assert _kinds(uw.rest_drift("/api/stock/{ticker}/iv-rank", body)) == [
        ("vanished_field", name)
        for name in ("close", "date", "iv_rank_1y", "updated_at", "volatility")
    ]


def _kinds(differences: list[uw.Difference]) -> list[tuple[str, str]]:
    return [(found.kind, found.field) for found in differences]


def test_every_channel_has_a_reader_and_a_table_of_known_fields() -> None:
    for channel, payload in FRAMES.items():
        kind = uw.frame_type(channel)
        assert kind is not UwOtherReceived
        assert uw.READERS[kind](payload, uw.ticker(channel))
        assert uw.family(channel) in CHANNELS
    assert set(uw.READERS) == set(UwFrame.__subclasses__()) - {UwOtherReceived}


def test_fields_that_decide_nothing_yet_are_kept_too() -> None:
    trade = uw.read_option_trade(OPTION_TRADE)
    assert (trade.rho, trade.theoretical_price) == (0.0069, Decimal("2.42"))
    assert (trade.ewma_bid, trade.ewma_ask) == (Decimal("2.41"), Decimal("2.43"))
    strike = uw.read_strike_exposure(FRAMES["gex_strike:QQQ"], "QQQ")
    assert all(getattr(strike, name) is not None for name in strike.__struct_fields__[3:] if name)
    assert strike.put_vanna_bid_volume == -321.75
    assert uw.read_news(changed(NEWS, is_trump_ts=True)).is_trump_ts


def test_a_board_is_read_row_by_row_and_has_its_limit() -> None:
    payload = FRAMES["periscope:XSP"]
    board = uw.read_board(payload)
    assert (board.symbol, board.total_rows, board.has_more) == ("XSP", 3, False)
    assert [(row.strike, row.gamma) for row in board.rows] == [
        (Decimal(769), 41.2), (Decimal(770), -12.9), (Decimal(771), 5.5),
    ]  # fmt: skip
    row = json.loads(payload)["rows"][0]
    with pytest.raises(uw.PayloadError, match="rows must be at most"):
        uw.read_board(changed(payload, rows=[row] * 2049))
    with pytest.raises(uw.PayloadError, match="expiry must be a date"):
        uw.read_board(changed(payload, rows=[{"strike": "1"}]))


def test_a_payload_without_symbol_on_a_global_channel_is_an_error() -> None:
    payload = changed(FRAMES["lit_trades"], symbol=None)
    assert uw.read_share_trade(payload, "IWM").symbol == "IWM"
    with pytest.raises(uw.PayloadError, match="symbol must be text"):
        uw.read_share_trade(payload)


@pytest.mark.parametrize("symbol", ["A" * 33, "SP\x00Y", "SPY\n"])
def test_a_symbol_that_no_name_can_hold_is_an_error(symbol: str) -> None:
    for read, payload, name in (
        (uw.read_option_trade, OPTION_TRADE, "underlying_symbol"),
        (uw.read_flow_alert, FLOW_ALERT, "ticker"),
        (uw.read_price, FRAMES["price:IWM"], "ticker"),
        (uw.read_board, FRAMES["periscope:XSP"], "ticker"),
    ):
        with pytest.raises(uw.PayloadError, match="symbol must be a ticker"):
            read(changed(payload, **{name: symbol}))


_letters = st.sampled_from('aZ09-:.é\x00 "')
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(_letters, max_size=12),
    st.sampled_from(["", "NaN", "1e999", "Infinity", "-0", "1" * 300]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(_letters, max_size=3), st.integers(), max_size=2),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_payloads_read_or_name_the_field_but_never_crash(data: st.DataObject) -> None:
    channel = data.draw(st.sampled_from(sorted(FRAMES)))
    fields = json.loads(FRAMES[channel])
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        if data.draw(st.booleans()):
            fields.pop(name, None)
        else:
            fields[name] = data.draw(_values)
    payload = json.dumps(fields).encode()
    with contextlib.suppress(uw.PayloadError):
        assert uw.READERS[uw.frame_type(channel)](payload, uw.ticker(channel)) is not None
    uw.natural_key(channel, payload)
    uw.drift(channel, payload)


@settings(deadline=None)
@given(payload=st.binary(max_size=200))
def test_any_bytes_read_or_raise_payload_error(payload: bytes) -> None:
    with pytest.raises(uw.PayloadError):
        uw.read_option_trade(payload)
    assert uw.natural_key("option_trades:SPY", payload) is None
