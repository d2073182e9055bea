"""docs/observability.md and docs/prometheus say what the code does: names, ports, queries."""

from __future__ import annotations

import re

import pytest

from run.all import METRICS_PORT_FIRST, METRICS_PORT_STEP
from run.build import ROOT
from run.metrics_page import names, table
from run.services import SERVICES

PAGE = (ROOT / "docs" / "observability.md").read_text()
FOLDER = ROOT / "docs" / "prometheus"
PORTS = {name: METRICS_PORT_FIRST + METRICS_PORT_STEP * k for k, (name, _) in enumerate(SERVICES)}


def test_the_page_has_every_name_and_no_other() -> None:
    shown = PAGE.partition("<!-- names -->\n")[2].partition("\n<!-- end of names -->")[0]
    assert shown == table(), "python -m run.metrics_page prints it"


@pytest.mark.parametrize("text", [PAGE, (FOLDER / "rules.yml").read_text()], ids=["page", "rules"])
def test_queries_and_rules_ask_for_names_that_there_are(text: str) -> None:
    asked = set(re.findall(r"\bstriketape_(?!service|owner)\w+(?!\w)", text)) - {"striketape_feed"}
    assert len(asked) > 10
    bases = {bare(name) for name in asked}
    assert sorted(bases - set(names())) == []


def test_what_an_alert_says_has_labels_of_what_it_asks_for() -> None:
    """A summary with a label that is not there would be told with a hole."""
    labels = {metric: of.replace("`", "").split(", ") for metric, of in rows()}
    rules = (FOLDER / "rules.yml").read_text().split("- alert: ")[1:]
    assert len(rules) > 20
    for rule in rules:
        expression, _, said = rule.partition("annotations:")
        asked = re.findall(r"\bstriketape_\w+", expression)
        there = {"instance"}.union(*(labels[bare(name)] for name in asked if bare(name) in labels))
        if grouped := re.search(r"by \(([^)]*)\)", expression):
            there &= {"instance", *grouped[1].split(", ")}
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= there, rule


def rows() -> list[tuple[str, str]]:
    """Names of the page with their labels."""
    return re.findall(r"^\| `(striketape_\w+)` \| \w+ \| ([^|]*) \|", PAGE, re.MULTILINE)


def bare(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_the_page_names_every_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", (FOLDER / "rules.yml").read_text())
    listed = PAGE.partition("first guesses: ")[2].partition(".")[0]
    assert re.findall(r"\w+", listed) == alerts


def test_prometheus_asks_where_run_all_and_compose_serve() -> None:
    targets = re.findall(r"^ +- (\S+:\d+)", (FOLDER / "mac.yml").read_text(), re.MULTILINE)
    ports = sorted([*PORTS.values(), PORTS["trader"] + 1])
    assert targets == [f"127.0.0.1:{port}" for port in ports]
    row = next(line for line in PAGE.splitlines() if "`python -m run.all` |" in line)
    assert sorted(int(port) for port in re.findall(r"\b9\d{3}\b", row)) == ports
    targets = re.findall(r"^ +- (\S+:\d+)", (FOLDER / "containers.yml").read_text(), re.MULTILINE)
    assert sorted(targets) == sorted([*(f"{name}:9400" for name, _ in SERVICES), "trader:9401"])
