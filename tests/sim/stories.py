"""What a life is about, drawn from its seed: what is traded, and how it may end without a fill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from domain.instruments import Leg, Right, Structure, StructureKind
from domain.rolling import opened_legs
from tests.adapters.interactive_brokers.still_market import EXPIRY, SESSION
from tests.sim.shapes import (
    LONG,
    NEW_SIDES,
    SIGNED_LEGS,
    VERTICAL,
    WIDER_SIDES,
    rolled_to,
    structure,
)

KINDS = (
    StructureKind.LONG_OPTION,
    StructureKind.DEBIT_VERTICAL,
    StructureKind.CREDIT_VERTICAL,
    StructureKind.CREDIT_VERTICAL,
    StructureKind.IRON_CONDOR,
    StructureKind.IRON_CONDOR,
)
ROLL_CHANCE = 0.75
WIDER_CHANCE = 0.1
"""Of rolls that are proposed though they would add risk."""
LAST_PRICES = (583.0, 592.5, 595.0, 597.5, 600.01, 603.0, 605.0, 607.5, 613.0)
"""Of the underlying when options settle: beyond all strikes, between them, on them, a cent in."""
FLAT_BEFORE_CLOSE_MINUTES = 5.0
"""The least that the parameter allows: entries come before it."""
CLOSE_SECONDS = 70.0 + 60.0 * FLAT_BEFORE_CLOSE_MINUTES
OPTIONS_CLOSE_SECONDS = CLOSE_SECONDS + 60.0
"""Of a session whose options expire in the life."""


@dataclass(frozen=True, slots=True)
class Story:
    """One kind of life."""

    structure: Structure
    expires: bool = False
    """The session ends within the life, and the options with it."""
    stuck_at: float | None = None
    """From that second on nothing fills any more."""
    assigned_at: float | None = None
    """When the holders of `assigned`, which is in the money from then on, exercise early."""
    assigned: int = 0
    last_price: float = 600.0
    is_left_by_time: bool = False
    """Its target and stop are out of reach until it is rolled."""
    roll: Structure | None = None
    """The order that is to roll the condor, whenever it is held whole."""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All that may be traded."""
        if self.roll is None:
            return self.structure.legs
        return (*self.structure.legs, *opened_legs(self.structure, self.roll))

    @property
    def ends_by_fills(self) -> bool:
        return self.stuck_at is None and self.assigned_at is None


def rolling_story(seed: int) -> Story:
    """A condor that is to be rolled and is left by time; in a third of the lives its options end
    today, some with early assignments of a short leg in the money."""
    random = Random(f"rolling {seed}")
    (signed,) = SIGNED_LEGS[StructureKind.IRON_CONDOR]
    if random.random() < 0.67:
        condor = structure(StructureKind.IRON_CONDOR, signed, EXPIRY)
        return _to_be_rolled(Story(condor, is_left_by_time=random.random() < 0.8), random)
    condor = structure(StructureKind.IRON_CONDOR, signed, SESSION)
    found = replace(_expiring(condor, random), is_left_by_time=True)
    return _to_be_rolled(found, random)


def _to_be_rolled(story: Story, random: Random) -> Story:
    side = random.choice(NEW_SIDES)
    if random.random() < WIDER_CHANCE:
        side = random.choice(WIDER_SIDES)
    return replace(story, roll=rolled_to(story.structure, side))


def story_of(seed: int) -> Story:
    """What a seed draws; a condor of it is to be rolled more often than not."""
    found = _story(seed)
    random = Random(f"roll {seed}")
    if found.structure.kind is not StructureKind.IRON_CONDOR or random.random() > ROLL_CHANCE:
        return found
    return _to_be_rolled(found, random)


def _story(seed: int) -> Story:
    """Half of the lives trade what expires tomorrow, long or as a debit; a sixth sell; in a third
    the options expire today, many of them with early assignments of a short leg in the money."""
    random = Random(f"story {seed}")
    kind = random.random()
    if kind < 0.5:
        return Story(random.choice((LONG, LONG, VERTICAL)))
    shape = random.choice(KINDS if kind >= 0.67 else KINDS[2:])
    signed = random.choice(SIGNED_LEGS[shape])
    if kind < 0.67:
        return Story(structure(shape, signed, EXPIRY))
    return _expiring(structure(shape, signed, SESSION), random)


def _expiring(found: Structure, random: Random) -> Story:
    shorts = [leg for leg in found.legs if leg.ratio < 0]
    costly = [price for price in LAST_PRICES if any(_worth(leg, price) > 0 for leg in shorts)]
    last_price = random.choice(costly if costly and random.random() < 0.5 else LAST_PRICES)
    in_money = [leg.contract for leg in shorts if _worth(leg, last_price) > 0]
    is_early = bool(in_money) and random.random() < 0.7
    return Story(
        found,
        expires=True,
        stuck_at=random.uniform(12.0, 40.0) if random.random() < 0.7 else None,
        assigned_at=random.uniform(10.0, 60.0) if is_early else None,
        assigned=in_money[0].con_id if is_early else 0,
        last_price=last_price,
    )


def _worth(leg: Leg, price: float) -> float:
    above = price - float(leg.contract.strike)
    return above if leg.contract.right is Right.CALL else -above
