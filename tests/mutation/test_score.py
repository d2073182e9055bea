"""What `make mutation` recorded last: enough is killed, nothing is left out, no proof is of old."""

from __future__ import annotations

import json

from run.build import ROOT
from tests.mutation.run import EQUIVALENT, KILLED_SHARE_MIN, MODULES, SCORE, named, share_of
from tests.seeded_bugs.mutations import bugs_of


def test_nine_in_ten_edits_of_every_module_that_decides_an_entry_are_killed() -> None:
    """Of all together; no module is missing from the record."""
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
