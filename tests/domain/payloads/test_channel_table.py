"""The table of the socket's channels is whole, and what is joined fits on one connection."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from domain.events.feeds import UwOtherReceived
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales import family, frame_type, natural_key
from domain.payloads.unusual_whales.channel_table import (
    CHANNELS,
    JOINS_MAX,
    joined,
    silence_limit,
)
from domain.phase import Phase

GLOBAL = {
    "flow-alerts", "news", "market_tide", "trading_halts", "interval_flow", "contract_screener",
    "custom_alerts",
}  # fmt: skip
BY_SYMBOL = {
    "option_trades", "price", "gex", "gex_strike", "net_flow", "gex_strike_expiry",
    "off_lit_trades", "interpolated_iv", "iv_term_structure",
}  # fmt: skip


def test_what_is_needed_and_what_is_useful_is_joined_the_needed_first() -> None:
    names = joined()
    assert set(names) == GLOBAL | {f"{name}:{symbol}" for name in BY_SYMBOL for symbol in SYMBOLS}
    priorities = [CHANNELS[name].priority for name in names]
    assert priorities == sorted(priorities) and priorities.count(1) == 19


def test_every_channel_has_an_event_class_of_its_own_and_every_fall_back_is_known() -> None:
    for channel in CHANNELS.values():
        assert frame_type(channel.name) is not UwOtherReceived, channel.name
        assert channel.fallback in ("", family(channel.name))
        assert not channel.fallback or channel.fallback in CHANNELS


def test_a_channel_can_be_switched_off_and_a_rare_one_on() -> None:
    names = joined(off=["custom_alerts"], on=["lit_trades:SPY"])
    assert "custom_alerts" not in names and "lit_trades:SPY" in names
    by_ticker = [name for name in CHANNELS if ":" in name]
    assert len(joined(on=by_ticker)) < JOINS_MAX


def test_unknown_names_and_more_than_a_connection_carries_are_refused() -> None:
    with pytest.raises(ValueError, match="were dark_pool, flow_alerts"):
        joined(off=["flow_alerts"], on=["dark_pool"])
    with pytest.raises(ValueError, match="fewer than 50, were 50"):
        joined(on=CHANNELS)


def test_limits_of_silence_follow_the_phase_and_event_only_channels_have_none() -> None:
    assert silence_limit("option_trades:SPY", Phase.REGULAR) == 15
    assert silence_limit("option_trades:SPY", Phase.AFTER) is None
    assert silence_limit("market_tide", Phase.REGULAR) == 30
    assert silence_limit("news", Phase.CLOSED) == 3_600
    for name in ("trading_halts", "custom_alerts"):
        assert {silence_limit(name, phase) for phase in Phase} == {None}
    assert silence_limit("unheard-of", Phase.REGULAR) is None


def test_the_page_of_feeds_names_every_channel() -> None:
    page = (Path(__file__).parents[3] / "docs" / "feeds.md").read_text()
    for name in CHANNELS:
        by_symbol = family(name) + ":"
        assert f"`{name}`" in page or f"`{by_symbol}`" in page, name


def test_prints_of_shares_are_known_by_their_volume_too() -> None:
    """Two alike of one second differ in the session's volume; a repeat does not."""
    row = {"symbol": "SPY", "executed_at": "2026-10-06T14:02:16Z", "price": "769.885", "size": 9}
    first = natural_key("off_lit_trades:SPY", msgspec.json.encode(row | {"volume": 100}))
    assert first == "SPY|2026-10-06T14:02:16Z|769.885|9|100"
    second = natural_key("off_lit_trades:SPY", msgspec.json.encode(row | {"volume": 109}))
    assert second not in (None, first)
    assert natural_key("off_lit_trades", msgspec.json.encode(row | {"volume": 100})) == first
    assert natural_key("lit_trades:SPY", msgspec.json.encode(row)) is None
