"""The page of metrics equals the code; parameters are within their own bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain import parameters
from domain.analytics.catalogue import METRICS, UNITS, markdown
from domain.analytics.parameters import PARAMETERS, read_settings
from domain.events.system import ParametersChanged
from domain.parameter import ParameterState

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_page_of_metrics_is_generated_from_the_catalogue() -> None:
    assert PAGE.read_text() == markdown()


def test_metric_names_are_unique() -> None:
    assert len(UNITS) == len(METRICS)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_shipped_default_is_within_its_bounds(parameter) -> None:
    assert parameter.check(parameter.default) == ""
    assert parameter.source and parameter.unit


def test_settings_need_every_parameter_from_the_log() -> None:
    state = ParameterState()
    values = {p.name: p.default for p in PARAMETERS}
    missing = values.popitem()
    state.apply(ParametersChanged(values=values, version=1, who="test", why="start"))
    assert read_settings(state) is None
    state.apply(ParametersChanged(values=dict([missing]), version=2, who="test", why="start"))
    settings = read_settings(state)
    assert settings is not None
    assert settings.version == 2
    assert settings.option_ages == (15.0, 90.0, 180.0)


def test_page_of_parameters_is_generated_from_the_bounds() -> None:
    assert (PAGE.parent / "parameters.md").read_text() == parameters.markdown()
