"""The repository itself: documented modules, pinned packages, one list of services, no secrets."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from run.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("domain", "store", "adapters", "projections", "api", "run")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
DETERMINISTIC = sorted((ROOT / "domain").rglob("*.py"))
CLOCKS_AND_DICE = re.compile(
    r"datetime\.now|datetime\.utcnow|time\.time\(|\brandom\.|uuid4|os\.environ|(?<![.\w])open\("
)
PLACEHOLDERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in MODULES if p.stat().st_size], ids=named)
def test_every_module_says_what_it_does(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), named(path)


@pytest.mark.parametrize("path", DETERMINISTIC, ids=named)
def test_the_domain_reads_no_clock_and_rolls_no_dice(path: Path) -> None:
    assert CLOCKS_AND_DICE.findall(path.read_text()) == []


def test_nothing_is_left_open_in_the_code() -> None:
    found = [named(p) for p in MODULES if PLACEHOLDERS.search(p.read_text())]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_packages_are_pinned_with_hashes_and_without_addresses(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    pins = re.findall(r"^[a-zA-Z0-9._-]+==", text, re.MULTILINE)
    assert len(pins) > 50
    for block in re.split(r"\n(?=[a-zA-Z0-9._-]+==)", text)[1:]:
        assert "--hash=sha256:" in block
    assert not re.search(r"index-url|find-links|file://|https?://", text)


def test_both_locks_agree_on_what_the_services_run() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-zA-Z0-9._-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") <= pins("requirements-dev.txt")


def test_the_frozen_versions_are_those_of_the_lock() -> None:
    def pins(text: str) -> set[str]:
        found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE)
        return {f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}" for name, version in found}

    frozen = pins((ROOT / "docs" / "runtime_versions.txt").read_text())
    locked = pins((ROOT / "requirements-dev.txt").read_text())
    own = {pin for pin in locked if pin.partition("==")[0] in ("pip", "setuptools", "wheel")}
    assert frozen ^ locked <= own


def test_compose_runs_every_service_of_the_desk() -> None:
    text = (ROOT / "compose.yaml").read_text()
    modules = set(re.findall(r'"python", "-m", "(run\.\w+)"', text))
    assert {module for _, module in SERVICES} <= modules


def test_every_setting_is_in_the_example() -> None:
    from run.config import PREFIX, Settings

    defaults = {"mode", "var_dir", "basket", "api_host", "uw_limit_factor"}
    defaults |= {"metrics_host", "metrics_port"}
    urls = {name for name in Settings.model_fields if name.endswith("_url")}
    text = (ROOT / ".env.example").read_text()
    for name in Settings.model_fields.keys() - defaults - urls:
        assert f"{PREFIX}{name}".upper() in text, name


def test_no_lock_of_the_page_names_a_registry() -> None:
    lock = ROOT / "ui" / "package-lock.json"
    assert '"resolved": "http' not in lock.read_text()
