"""The table of our Prometheus names in docs/observability.md: `python -m run.metrics_page`.

Made from the metrics themselves, so that page and code cannot differ; tests/run hold them together.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from api import operations
from run import metrics, projection_metrics

_HEAD = ("| name | kind | labels | meaning |", "| --- | --- | --- | --- |")
_Metric = Counter | Gauge | Histogram


def known() -> Iterator[_Metric]:
    """Every metric of ours, in the order in which the modules name them."""
    for module in (metrics, projection_metrics, operations):
        for value in vars(module).values():
            if isinstance(value, Counter | Gauge | Histogram):
                yield value


def names() -> list[str]:
    """As they are asked for: a counter ends in _total."""
    return [_name(metric) for metric in known()]


def table() -> str:
    rows = []
    for metric in known():
        (about,) = metric.describe()
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        rows.append(f"| `{_name(metric)}` | {about.type} | {labels} | {about.documentation} |")
    return "\n".join([*_HEAD, *rows])


def _name(metric: _Metric) -> str:
    (about,) = metric.describe()
    return f"{about.name}_total" if about.type == "counter" else str(about.name)


if __name__ == "__main__":
    print(table())
