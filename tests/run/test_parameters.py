"""Parameters from the command line: what is in force, and what a change asks for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from domain.events.system import ParametersChanged
from run.parameters import InForce, in_force, main, parser, request_of, show
from run.replay.question import CannotAnswer
from run.replay.what_if import parse_values
from store.postgres import PostgresStore
from tests.store.propose import propose

P_MIN = "signals.0dte.trend.p_min"


def given(*words: str) -> list[str]:
    return ["set", *words, "--version", "3", "--why", "a quiet week", "--who", "ann"]


async def test_what_is_in_force_is_folded_from_the_log(store: PostgresStore) -> None:
    for version, value in ((1, 0.56), (2, 0.6)):
        body = ParametersChanged(
            values={P_MIN: value, f"x{version}": 1.0}, version=version, who=f"w{version}", why="t"
        )
        await store.append([propose(body, key=version)])
    found = await in_force(store)
    assert found.state.version == 2 and found.state.number(P_MIN) == 0.6
    assert found.origin[P_MIN].who == "w2" and found.origin["x1"].who == "w1"


def test_a_change_asks_with_values_of_their_own_kind_and_the_version_looked_at() -> None:
    words = given("signals.1dte.enabled=false", f"{P_MIN}=0.58", "--until", "2026-12-01T21:00Z")
    body = request_of(parser().parse_args(words))
    assert body.values == {"signals.1dte.enabled": False, P_MIN: 0.58}
    assert (body.expected_version, body.who, body.route) == (3, "ann", "cli")
    assert body.until == datetime(2026, 12, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "words",
    [
        (P_MIN,),
        (f"{P_MIN}=much",),
        ("signals.1dte.enabled=0",),
        ("signals.0dte.trend.luck=1",),
        (f"{P_MIN}=0.6", "--until", "2026-12-01"),
    ],
)
def test_a_slip_of_the_pen_asks_for_nothing(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(given(*words))


def test_a_name_that_no_parameter_has_is_told_with_those_like_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(given("signals.0dte.trend.p_mni=0.6"))
    assert f"there is {P_MIN}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(given("risk.limit.position=0.01"))
    assert "change it on the page Limits" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert main(["show", "signal.0dte"]) == 2
    assert "must begin with signal.0dte, none does" in capsys.readouterr().err
    with pytest.raises(CannotAnswer, match=r"there is risk\.limit\.position"):
        parse_values(["risk.limit.positon=0.01"])


def test_what_is_shown_can_be_read_by_a_program_and_names_the_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = InForce()
    found.add(ParametersChanged(values={P_MIN: 0.6}, version=5, who="ann", why="calm"))
    show(found, P_MIN, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 5 and told["values"][P_MIN] == 0.6
    assert told["values"][f"{P_MIN}_positive_gamma"] is None, "not on the log"
    show(found, P_MIN, as_json=False)
    lines = capsys.readouterr().out
    assert "version 5" in lines and "0.6 probability [0.52, 0.7]  by ann: calm" in lines
