"""Taking in the vendor's gamma exposure: totals of channel gex, flip and walls of gex-levels.

Called by the stage and by ingest_rest.py.
"""

from __future__ import annotations

import msgspec

from domain.analytics.hot_frames import Amount, amount
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.vendor_gex import VendorLevels
from domain.event import Recorded
from domain.events.feeds import UwFrame, UwRestReceived
from domain.payloads.unusual_whales import read_exposure, ticker


def on_gex(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwFrame)
    symbol = state.symbols.get(ticker(body.channel))
    if symbol is None:
        return
    at = event.market_time.timestamp()
    found = read_exposure(bytes(body.payload), symbol.symbol)
    symbol.vendor_vanna.take(found.vanna_oi, at)
    symbol.vendor_charm.take(found.charm_oi, at)
    if found.gamma_oi is not None:
        symbol.chain.vendor.take_total(found.gamma_oi, at)
        judge_vendor(state, symbol)


def judge_vendor(state: AnalyticsState, symbol: SymbolState) -> None:
    """At our own price: the vendor's may be older than its exposure."""
    settings, past = state.settings, symbol.past
    spot = symbol.book.good_mid or symbol.bars.close
    if settings is not None and spot:
        adv20 = past.adv20 if past is not None else None
        symbol.chain.vendor.judge(spot, adv20, settings.regime_enter, settings.regime_leave)


class _Levels(msgspec.Struct):
    call_wall: Amount = None
    put_wall: Amount = None
    gamma_flip: Amount = None


class _LevelsAnswer(msgspec.Struct):
    data: _Levels


_LEVELS = msgspec.json.Decoder(_LevelsAnswer)


def on_levels(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    """The vendor's flip and walls; the time of receipt counts."""
    symbol = state.symbols.get(body.symbol)
    if symbol is None:
        return
    found = _LEVELS.decode(body.payload).data
    symbol.chain.vendor.levels = VendorLevels(
        flip=amount(found.gamma_flip),
        call_wall=amount(found.call_wall),
        put_wall=amount(found.put_wall),
        at=event.market_time.timestamp(),
    )
    judge_vendor(state, symbol)
