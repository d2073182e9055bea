"""The vendors' services as they are today: each test takes a fact of their documents.

A fact that was refuted fails, one that was not seen is skipped with the reason.
"""

from __future__ import annotations

from typing import TypeVar

import pytest

from tests.live import ib_facts, uw_facts
from tests.live.conftest import Found
from tests.live.facts import Fact, Outcome
from tests.live.ib_facts import IbFact
from tests.live.interactive_brokers import IbMaterial
from tests.live.unusual_whales import UwMaterial
from tests.live.uw_facts import UwFact

pytestmark = pytest.mark.live
MaterialT = TypeVar("MaterialT")


def tell(fact: Fact[MaterialT], material: MaterialT, found: Found) -> None:
    verdict = fact.verdict(material)
    found.verdicts.append((fact, verdict))
    if verdict.outcome is Outcome.NOT_SEEN:
        pytest.skip(f"not seen: {verdict.seen}")
    assert verdict.outcome is Outcome.CONFIRMED, f"refuted: {fact.statement}: {verdict.seen}"


@pytest.mark.parametrize("fact", uw_facts.FACTS, ids=lambda fact: fact.name)
def test_unusual_whales_does_what_is_documented(
    fact: UwFact, unusual_whales: UwMaterial, found: Found
) -> None:
    tell(fact, unusual_whales, found)


@pytest.mark.parametrize("fact", ib_facts.FACTS, ids=lambda fact: fact.name)
def test_interactive_brokers_does_what_is_documented(
    fact: IbFact, interactive_brokers: IbMaterial, found: Found
) -> None:
    tell(fact, interactive_brokers, found)
