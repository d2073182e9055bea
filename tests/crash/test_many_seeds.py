"""`make crash` goes on where it stopped, within its slice, and tells how to repeat a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import many_seeds
from tests.crash.many_seeds import Step


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(many_seeds, "FOLDER", tmp_path)
    return tmp_path


def step(tmp_path: Path, name: str, text: str, minutes_max: int = 1) -> Step:
    """A step of one test with this body."""
    path = tmp_path / f"test_{name}.py"
    path.write_text(f"def test_it() -> None:\n    {text}\n")
    return Step(name, ((str(path), {}),), minutes_max)


def test_what_passed_is_not_run_again_and_a_failure_says_what_repeats_it(tmp_path: Path) -> None:
    said: list[str] = []
    good = step(tmp_path, "good", "pass")
    bad = step(tmp_path, "bad", "assert False, 'again: make crash LOG_SEED=seal:3'")
    assert many_seeds.run([good, bad], 60, said.append) == 1
    assert said[-1].startswith("good passed: 1 of 2")
    assert "LOG_SEED=seal:3" in (tmp_path / "seed-bad-test_bad.txt").read_text()
    broken = step(tmp_path, "good", "raise SystemExit")  # would fail if it were run
    healed = step(tmp_path, "bad", "pass")
    assert many_seeds.run([broken, healed], 60, said.append) == 0
    assert said[-1] == "all 2 passed"


def test_a_slice_begins_nothing_that_it_could_not_end(tmp_path: Path) -> None:
    said: list[str] = []
    long = step(tmp_path, "long", "raise SystemExit", minutes_max=61)
    assert many_seeds.run([long], 60, said.append) == 0
    assert said == ["the slice is over: 0 of 1 passed; make crash goes on"]


def test_ten_thousand_lives_are_the_same_for_every_area(capsys: pytest.CaptureFixture[str]) -> None:
    steps = many_seeds.wanted_steps(10_000, 2)
    lives: dict[str, int] = {}
    for one in steps[:-2]:
        area, first, count = one.runs[0][1]["LOG_SEEDS"].split(":")
        assert int(first) == lives.get(area, 0)
        lives[area] = lives.get(area, 0) + int(count)
    assert lives == dict.fromkeys(many_seeds.AREAS, 2_500)
    assert [one.name for one in steps[-2:]] == ["1", "2"]
    assert many_seeds.main({"LOG_SEED": "nothing:x"}) == 2
    assert many_seeds.main({"SLICE_MINUTES": "5"}) == 2
    assert "SLICE_MINUTES must be more than" in capsys.readouterr().out
