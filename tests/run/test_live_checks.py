"""The code of `make live-check` over sockets, against the sandboxes in the place of the vendors."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from adapters.unusual_whales.sandbox.settings import DEFAULT_TOKEN, UwSandboxSettings
from run.embedded import free_port
from run.sandbox_market import ClockRequest, MarketSandbox, _arguments, make_market
from tests.live import ib_facts, uw_facts
from tests.live.conftest import SECONDS_VARIABLE
from tests.live.facts import (
    Fact,
    Outcome,
    Report,
    ReportFile,
    confirmed,
    not_seen,
    refuted,
    summary,
)
from tests.live.interactive_brokers import IbMaterial, look_at_broker
from tests.live.unusual_whales import (
    CALLS_MAX,
    Budget,
    Heard,
    UwMaterial,
    ask_rest,
    hear_socket,
)

MaterialT = TypeVar("MaterialT")
ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 20.0
MARKET_SECONDS_A_STEP = 2.0
HEARD = ("option_trades", "price", "gex", "gex_strike", "market_tide", "net_flow", "flow-alerts")


@dataclass(frozen=True)
class Market:
    """A sandbox in its session, whose clock is moved on while a test looks."""

    sandbox: MarketSandbox
    uw_port: int
    tws_port: int

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.uw_port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.uw_port}/socket"


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    made = make_market(_arguments([]))
    sandbox = MarketSandbox(made, tmp_path, UwSandboxSettings())
    uw_port, tws_port = free_port(), free_port()
    await sandbox.start(uw_port, tws_port, free_port())
    at = made.open_at + timedelta(minutes=31)

    async def move() -> None:
        nonlocal at
        while True:
            sandbox._set(ClockRequest(at, time.time(), 0.0))
            await sandbox.step()
            at += timedelta(seconds=MARKET_SECONDS_A_STEP)
            await asyncio.sleep(0.02)

    moving = asyncio.create_task(move())
    yield Market(sandbox, uw_port, tws_port)
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    await sandbox.stop()


def has_heard(heard: Heard) -> bool:
    families = {name.partition(":")[0] for name in heard.counts}
    return families.issuperset(HEARD)


def has_seen(material: IbMaterial) -> bool:
    has_greeks = any(event.computations for event in material.ticks())
    return bool(material.bars() and material.depth() and has_greeks)


def outcomes(facts: Iterable[Fact[MaterialT]], material: MaterialT) -> dict[str, set[str]]:
    """Facts by outcome; refuted ones with the reason."""
    found: dict[str, set[str]] = {outcome.value: set() for outcome in Outcome}
    for fact in facts:
        verdict = fact.verdict(material)
        why = f": {verdict.seen}" if verdict.outcome is Outcome.REFUTED else ""
        found[verdict.outcome.value].add(fact.name + why)
    return found


async def test_our_sandboxes_confirm_the_facts_of_both_vendors(market: Market) -> None:
    whales, broker = UwMaterial(), IbMaterial()
    await asyncio.gather(
        hear_socket(market.socket_url, DEFAULT_TOKEN, SECONDS_MAX, whales.heard, has_heard),
        ask_rest(market.rest_url, DEFAULT_TOKEN, whales),
        look_at_broker(
            "127.0.0.1",
            market.tws_port,
            "",
            SECONDS_MAX,
            broker,
            now=market.sandbox.clock.now,
            is_enough=has_seen,
        ),
    )
    of_whales = outcomes(uw_facts.FACTS, whales)
    assert of_whales["refuted"] == set()
    assert of_whales["confirmed"] >= {
        "uw-2.1-joins", "uw-3.1-sides", "uw-3.2-money", "uw-3.9-changes", "uw-3.10-changes",
        "uw-4.3-cap", "uw-4.3-window", "uw-4.4-401", "uw-4.4-422", "uw-5-greek-flow",
        "uw-5-fields-strike-board", "uw-4.2-nulls-contracts",
    }  # fmt: skip
    assert len(of_whales["confirmed"]) >= 55
    assert whales.calls <= CALLS_MAX
    of_broker = outcomes(ib_facts.FACTS, broker)
    assert of_broker["refuted"] == set()
    assert of_broker["confirmed"] >= {
        "ib-1.2-version", "ib-1.2-id-in-use", "ib-1.6-bars", "ib-4.6-type-told",
        "ib-1.6-greeks", "ib-4.10-whole-expiry", "ib-1.6-depth",
    }  # fmt: skip
    assert not market.sandbox.tws.ledger().orders


async def test_a_broker_that_is_not_there_refutes_nothing() -> None:
    material = IbMaterial()
    await look_at_broker("127.0.0.1", free_port(), "", 1.0, material)
    assert {fact.verdict(material).outcome for fact in ib_facts.FACTS} == {Outcome.NOT_SEEN}


async def test_the_budget_of_calls_is_never_passed() -> None:
    """Nothing is asked when a second try could be one call too many."""
    material = UwMaterial(calls=CALLS_MAX - 1)
    await Budget(None, material).ask("late", "/api/late", None)  # type: ignore[arg-type]
    assert material.calls == CALLS_MAX - 1
    assert "budget" in material.failures["late"]


def test_a_report_has_no_secret_and_keeps_what_an_earlier_run_of_the_day_saw(
    tmp_path: Path,
) -> None:
    noon = datetime(2026, 10, 6, 16, 0, tzinfo=UTC)
    shape: Fact[None] = Fact("uw-1-shape", "a shape", lambda _: confirmed(""))
    limit: Fact[None] = Fact("uw-2-limit", "a limit", lambda _: confirmed(""))
    first = ReportFile(tmp_path, noon, ("a-token", ""))
    first.write([(shape, confirmed("seen a-token")), (limit, not_seen("no row"))], 31)
    later = ReportFile(tmp_path, noon + timedelta(hours=4), ("a-token",))
    later.write([(shape, not_seen("quiet")), (limit, refuted("it is 7"))], 12)
    report = msgspec.json.decode((tmp_path / "2026-10-06.json").read_bytes(), type=Report)
    assert [(line.fact, line.outcome, line.seen) for line in report.facts] == [
        ("uw-1-shape", "confirmed", "seen ***"),
        ("uw-2-limit", "refuted", "it is 7"),
    ]
    text = (tmp_path / "2026-10-06.txt").read_text()
    assert text == summary(report)
    assert text.startswith("facts on 2026-10-06: 1 refuted, 1 confirmed, 0 not seen; 12 REST")


def test_a_fact_whose_material_is_of_another_form_is_refuted_not_an_error() -> None:
    fact: Fact[dict[str, int]] = Fact("uw-1-form", "a form", lambda m: confirmed(str(m["no"])))
    assert fact.verdict({}).outcome is Outcome.REFUTED


def test_without_credentials_every_live_test_is_skipped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for, as by make live-check; nobody asks for them in the run of all tests."""
    settings = tmp_path / "empty.env"
    settings.write_text("DATABASE_URL=postgresql://a@127.0.0.1/b\nREDIS_URL=redis://127.0.0.1/0\n")
    monkeypatch.setenv("ENV_FILE", str(settings))
    monkeypatch.setenv(SECONDS_VARIABLE, "1")
    for name in [name for name in os.environ if name.startswith("STRIKETAPE_")]:
        monkeypatch.delenv(name)
    code = pytest.main(["-vv", "-rs", "-p", "no:cacheprovider", str(ROOT / "tests" / "live")])
    told = capsys.readouterr().out
    assert code == 0, told
    for count, setting in (
        (len(uw_facts.FACTS), "STRIKETAPE_UW_TOKEN"),
        (len(ib_facts.FACTS), "STRIKETAPE_IB_ACCOUNT"),
    ):
        assert re.search(rf"SKIPPED \[{count}\] .*{setting} is not set", told)
    for fact in (*uw_facts.FACTS, *ib_facts.FACTS):
        assert f"[{fact.name}] SKIPPED" in told
    assert "no fact was looked at" in told
