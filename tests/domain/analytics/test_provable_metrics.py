"""What a metric was computed from is named by its event: worker, build and input position."""

from __future__ import annotations

from msgspec.structs import replace

from domain.event import Recorded
from domain.events.analytics import MetricComputed
from domain.events.feeds import IbTicksReceived
from domain.events.system import ParametersChanged
from tests.domain.analytics.stage_runs import day_emissions, day_tape, metric, run


def looked_at() -> list[Recorded]:
    """The first report, one in the middle, and the last."""
    found = [e for e in day_emissions() if isinstance(e.body, MetricComputed)]
    return [found[0], found[len(found) // 2], found[-1]]


def inputs_of(report: Recorded) -> list[Recorded]:
    assert report.input_position is not None
    return [e for e in day_tape().events if e.position <= report.input_position]


def made_again(report: Recorded, inputs: list[Recorded]) -> Recorded:
    own = [e for e in run(inputs) if e.input_position == report.input_position]
    return next(e for e in own if e.ordinal == report.ordinal)


def test_every_metric_is_made_again_from_the_inputs_that_its_event_names() -> None:
    """From those up to its input position and nothing else: the same event, to the last digit."""
    for report in looked_at():
        inputs = inputs_of(report)
        assert made_again(report, inputs) == report
        (settings,) = [e.body for e in inputs if isinstance(e.body, ParametersChanged)]
        assert isinstance(report.body, MetricComputed)
        assert report.body.params_version == settings.version
        assert report.causation_id == inputs[-1].event_id


def test_another_input_before_it_would_have_made_another_metric() -> None:
    """The name is no formality: one quote of a cent more is seen in what rests on it."""
    report = looked_at()[-1]
    inputs = inputs_of(report)
    k = max(
        i
        for i, e in enumerate(inputs)
        if isinstance(e.body, IbTicksReceived) and e.body.symbol == "IWM" and not e.body.expiry
    )
    quote = inputs[k].body
    assert isinstance(quote, IbTicksReceived)
    dearer = [(kind, price + 0.01, size) for kind, price, size in quote.ticks]
    inputs[k] = replace(inputs[k], body=replace(quote, ticks=dearer))
    again = made_again(report, inputs)
    assert isinstance(again.body, MetricComputed) and isinstance(report.body, MetricComputed)
    assert again.body.symbol == "IWM"
    assert metric(again.body, "spot_bid") != metric(report.body, "spot_bid")
