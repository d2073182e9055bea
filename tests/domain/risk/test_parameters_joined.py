"""Parameters are joined once, inside their bounds, and no rule reads one that is not listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.parameter import Parameter
from domain.parameters import PARAMETERS, join, refusals

DOMAIN = Path(__file__).parents[3] / "domain"
READ = re.compile(r"""(?:number|text|flag)\(\s*"([a-z0-9_.]+)"\s*\)""")


@pytest.mark.parametrize("folder", ["signals", "risk"])
def test_every_parameter_that_is_read_by_name_is_listed(folder: str) -> None:
    source = "\n".join(path.read_text() for path in sorted((DOMAIN / folder).glob("*.py")))
    names = {name for name in READ.findall(source) if name.startswith(("risk.", "signals."))}
    assert len(names) > 20
    assert names <= set(PARAMETERS)


def test_every_default_is_inside_its_bounds_and_has_a_source() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.name == name and parameter.source
        assert parameter.check(parameter.default) == ""


def test_a_name_used_twice_and_a_default_out_of_bounds_are_refused() -> None:
    one = Parameter("x", 1.0, "", "prior", 0.0, 2.0)
    with pytest.raises(ValueError, match="twice x"):
        join([[one], {"x": one}])
    with pytest.raises(ValueError, match="default must be allowed"):
        join([[Parameter("x", 3.0, "", "prior", 0.0, 2.0)]])


def test_a_change_out_of_bounds_or_of_an_unknown_name_is_refused_with_its_reason() -> None:
    assert refusals({"risk.size.kappa": 0.5, "risk.pdt_mode": "off"}) == ()
    found = refusals({"risk.size.kappa": 0.51, "risk.pdt_mode": "maybe", "nothing": 1.0})
    assert len(found) == 3
    assert "risk.size.kappa must be in [0, 0.5]" in found[0]
