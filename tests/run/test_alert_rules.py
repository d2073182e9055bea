"""docs/prometheus/rules.yml is what Prometheus reads: YAML, expressions, names, labels, kinds.

The parser of the expressions is a port of Prometheus' own. What it cannot know is held against the
metrics themselves: which there are, with which labels, and which of them count.
"""

from __future__ import annotations

import re
from typing import Any

import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, BinaryExpr, Expr, MatrixSelector, VectorSelector

from run.build import ROOT
from run.metrics_page import known

FOLDER = ROOT / "docs" / "prometheus"
GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
OF_THE_TARGET = {"instance", "job"}
FORMATS = {"humanize", "humanize1024", "humanizeDuration", "humanizePercentage"}
_COUNTED = ("_total", "_bucket", "_sum", "_count")


def series() -> dict[str, set[str]]:
    """Every series that a service shows, with its labels."""
    found = {"up": set[str]()}
    for metric in known():
        (about,) = metric.describe()
        labels = set(metric._labelnames)
        if about.type == "counter":
            found[f"{about.name}_total"] = labels
        elif about.type == "histogram":
            found[f"{about.name}_bucket"] = labels | {"le"}
            found |= {f"{about.name}_sum": labels, f"{about.name}_count": labels}
        else:
            found[about.name] = labels
    return found


SERIES = series()


def parts(expression: str) -> list[Expr]:
    """All nodes of an expression, the outermost first."""
    found: list[Expr] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return found


def labels_of(expression: str) -> set[str]:
    """Those that an alert carries."""
    nodes = parts(expression)
    there = set.union(*(SERIES[n.name or ""] for n in nodes if isinstance(n, VectorSelector)))
    for node in nodes:
        if isinstance(node, AggregateExpr):
            # The outermost grouping is what is left.
            return set() if node.modifier is None else set(node.modifier.labels)
    return there | OF_THE_TARGET


def test_the_file_has_one_group_of_alerts_and_nothing_that_prometheus_refuses() -> None:
    whole = yaml.safe_load((FOLDER / "rules.yml").read_text())
    assert whole.keys() == {"groups"} and len({group["name"] for group in GROUPS}) == len(GROUPS)
    assert all(group.keys() <= {"name", "interval", "rules"} for group in GROUPS)
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 20
    for name in ("mac.yml", "containers.yml"):
        config = yaml.safe_load((FOLDER / name).read_text())
        assert config["rule_files"] == ["rules.yml"]
        assert [one["job_name"] for one in config["scrape_configs"]] == ["striketape"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_a_comparison_of_series_that_there_are(rule: dict[str, Any]) -> None:
    assert (
        {"alert", "expr", "annotations"}
        <= rule.keys()
        <= {*("alert", "expr", "for", "labels", "annotations")}
    )
    assert promql_parser.parse_duration(rule.get("for", "1s")).total_seconds() <= 3_600
    nodes = parts(rule["expr"])
    assert isinstance(nodes[0], BinaryExpr) and str(nodes[0].op) in COMPARISONS
    ranged = {id_of(node.vector_selector) for node in nodes if isinstance(node, MatrixSelector)}
    selectors = [node for node in nodes if isinstance(node, VectorSelector)]
    assert selectors
    for selector in selectors:
        name = selector.name or ""
        assert name in SERIES
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= SERIES[name] | OF_THE_TARGET
        # Counts are looked at by how they grow, all else as it is.
        assert (id_of(selector) in ranged) is name.endswith(_COUNTED)
    for node in nodes:
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            inside = {label for one in selectors for label in SERIES[one.name or ""]}
            assert set(node.modifier.labels) <= inside | OF_THE_TARGET


def id_of(selector: VectorSelector) -> str:
    """A selector has no identity of its own: each visit makes another object."""
    return str(selector)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_what_an_alert_says_has_labels_that_it_carries(rule: dict[str, Any]) -> None:
    """A summary with a label that is not there would be told with a hole."""
    assert rule["annotations"].keys() == {"summary"}
    said = rule["annotations"]["summary"]
    holes = re.findall(r"\{\{ (.*?) \}\}", said)
    assert said.count("{{") == said.count("}}") == len(holes)
    for hole in holes:
        of, _, form = hole.partition(" | ")
        label = of.removeprefix("$labels.")
        assert of == "$value" or (label != of and label in labels_of(rule["expr"]))
        assert not form or form in FORMATS
