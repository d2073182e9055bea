"""What `make mutation` recorded last: of every module enough edits are killed, and no proof is of
old."""

from __future__ import annotations

import json

import pytest

from run.build import ROOT
from tests.mutation.edits import edits_of
from tests.mutation.run import EQUIVALENT, KILLED_SHARE_MIN, MODULES, SCORE, share_of


def names_of(module: str) -> list[str]:
    """Of the edits that can be made of a module as it is today."""
    return list(edits_of(ROOT / "domain/signals" / f"{module}.py"))


@pytest.mark.parametrize("module", MODULES)
def test_nine_in_ten_of_the_edits_of_each_module_are_killed(module: str) -> None:
    """Of those that it has today: what came with later code and was not asked is not killed."""
    recorded = json.loads(SCORE.read_text())["modules"][module]
    equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text())
    today = sum(name not in equivalent for name in names_of(module))
    assert len(recorded["survivors"]) == recorded["edits"] - recorded["killed"]
    assert recorded["killed"] >= KILLED_SHARE_MIN * max(recorded["edits"], today)


def test_the_recorded_share_is_that_of_all_modules() -> None:
    recorded = json.loads(SCORE.read_text())
    assert set(recorded["modules"]) == set(MODULES)
    assert recorded["killed_share"] == share_of(recorded["modules"])


def test_every_edit_that_is_said_to_change_nothing_still_exists_and_has_a_proof() -> None:
    """Else the proof is of code that is no longer there."""
    equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text())
    assert set(equivalent) <= {name for module in MODULES for name in names_of(module)}
    assert all(proof.endswith(".") for proof in equivalent.values())
