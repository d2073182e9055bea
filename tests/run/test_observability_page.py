"""docs/observability.md and the configurations of Prometheus say what the code does: names, ports,
queries. What alerts ask for is in test_alert_rules.py."""

from __future__ import annotations

import re

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


def test_queries_ask_for_names_that_there_are() -> None:
    asked = set(re.findall(r"\bstriketape_(?!service|owner)\w+(?!\w)", PAGE)) - {"striketape_feed"}
    assert len(asked) > 10
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert sorted(bases - set(names())) == []


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
