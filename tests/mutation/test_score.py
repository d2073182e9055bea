"""What `make mutation` recorded last: of the edits that were asked enough are killed, and no proof
is of old. Edits that were not asked yet are `edits` less `counted` in the record."""

from __future__ import annotations

import json

from run.build import ROOT
from tests.mutation.run import EQUIVALENT, KILLED_SHARE_MIN, MODULES, SCORE, named, share_of
from tests.seeded_bugs.mutations import bugs_of


def test_nine_in_ten_of_the_edits_that_were_asked_are_killed() -> None:
    """Of all modules together; none is missing from the record, though some are asked in part."""
    recorded = json.loads(SCORE.read_text())
    modules = recorded["modules"]
    assert set(modules) == set(MODULES)
    assert recorded["killed_share"] == share_of(modules) >= KILLED_SHARE_MIN
    for one in modules.values():
        assert len(one["survivors"]) == one["counted"] - one["killed"]


def test_every_edit_that_is_said_to_change_nothing_still_exists_and_has_a_proof() -> None:
    """Else the proof is of code that is no longer there."""
    equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text())
    edits = {
        name
        for module in MODULES
        for name in named(list(bugs_of(ROOT / "domain/signals" / f"{module}.py")))
    }
    assert set(equivalent) <= edits
    assert all(proof.endswith(".") for proof in equivalent.values())
