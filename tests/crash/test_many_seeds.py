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


def steps(*names: str, minutes_max: int = 1) -> list[Step]:
    return [Step(name, (), minutes_max) for name in names]


def test_what_passed_is_not_run_again(folder: Path) -> None:
    said: list[str] = []
    ran: list[str] = []

    def all_but_third(step: Step) -> bool:
        ran.append(step.name)
        return step.name != "third" or ran.count("third") > 1

    wanted = steps("first", "second", "third")
    assert many_seeds.run(wanted, 60, said.append, all_but_third) == 1
    assert said[-1].startswith("second passed: 2 of 3")
    assert many_seeds.run(wanted, 60, said.append, all_but_third) == 0
    assert ran == ["first", "second", "third", "third"]
    assert said[-1] == "all 3 passed"


def test_a_slice_begins_nothing_that_it_could_not_end() -> None:
    said: list[str] = []
    assert many_seeds.run(steps("long", minutes_max=61), 60, said.append) == 0
    assert said == ["the slice is over: 0 of 1 passed; make crash goes on"]


def test_a_failure_says_what_repeats_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "test_bad.py"
    path.write_text("def test_it():\n    assert False, 'again: make crash LOG_SEED=seal:3'\n")
    assert not many_seeds.passes(Step("seal:0", ((str(path), {}),), 1))
    said = capsys.readouterr().out
    assert said.startswith("seal:0 failed, see ")
    assert "again: make crash LOG_SEED=seal:3" in said


def test_ten_thousand_lives_are_the_same_for_every_area(capsys: pytest.CaptureFixture[str]) -> None:
    steps = many_seeds.wanted_steps(10_000, 15, 2)
    lives: dict[str, int] = {}
    for one in steps[:-4]:
        area, first, count = one.runs[0][1]["LOG_SEEDS"].split(":")
        assert int(first) == lives.get(area, 0)
        lives[area] = lives.get(area, 0) + int(count)
    assert lives == dict.fromkeys(many_seeds.AREAS, 2_500)
    assert [one.name for one in steps[-4:]] == ["trader:1:10", "trader:11:5", "1", "2"]
    assert many_seeds.main({"LOG_SEED": "nothing:x"}) == 2
    assert many_seeds.main({"SLICE_MINUTES": "5"}) == 2
    assert "SLICE_MINUTES must be more than" in capsys.readouterr().out
