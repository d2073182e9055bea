"""What README.md and docs/ name exists: tests, files, commands, settings, parameters, codes.

A page is the first thing that a reader believes, and the last that a change of code thinks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from domain.parameters import PARAMETERS
from run.config import Settings, variable

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NOTES = sorted((DOCS / "decisions").glob("*.md"))
"""Dated: what they say of names may be over, which test and file holds it may not."""
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FOLDERS = (
    *("adapters", "api", "benchmarks", "docs", "domain", "projections"),
    *("run", "scripts", "sql", "store", "tests", "ui/src"),
)
SOURCE = frozenset({".py", ".sql", ".ts", ".tsx", ".sh", ".yaml", ".yml"})
BESIDE = ("Makefile", ".env.example", "compose.yaml", "Dockerfile", "pyproject.toml")
SHORT = (
    (re.compile(r"(?<![\w/])u/"), "tests/adapters/unusual_whales/"),
    (re.compile(r"(?<![\w/])b/"), "tests/adapters/interactive_brokers/"),
    (re.compile(r"(?<![\w/])f/"), "tests/run/feeds/"),
)
"""How docs/faults.md shortens folders."""
MADE_BY_RUNS = re.compile(r"var/|FOLDER/|DATE\.txt$|state_(before|after)\.json$")
FILE = re.compile(
    r"(?<![\w{/.<*-])(?:[\w.-]+/)*[\w-]+\.(?:py|md|sql|yaml|yml|json|tsx?|txt|sh|toml|png)\b"
)
TEST = re.compile(r"\btest_\w+\b(?!\.py)")
MODULE = re.compile(r"python -m ([\w.]*\w)([^`\n|]*)")
OF_RULES = re.compile(
    r"(?<![\w./])(?:risk|signals|execution|publication|forecasts|commentary)\.\w[\w.]*[\w+]"
)
ALERT = re.compile(
    r"\b_?(?:page|alert|alarm|Alarm)\(\s*(?:event,\s*)?"
    r'(?:"(?:critical|warning)",\s*|(?:found\.)?severity,\s*)?"([A-Z]+(?:_[A-Z]+)+)"'
    r'|\b(?:code|CODE|_CODE|HELD_TOO_LONG) ?= ?"([A-Z]+(?:_[A-Z]+)+)"'
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def files() -> frozenset[str]:
    here = {path.name for path in ROOT.iterdir() if path.is_file()}
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    return frozenset(here | {named(path) for path in below} | {"ui/package-lock.json"})


@cache
def source() -> str:
    paths = [ROOT / name for name in files() if Path(name).suffix in SOURCE]
    return "\n".join(path.read_text() for path in [*paths, *(ROOT / name for name in BESIDE)])


@cache
def known_tests(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"def (test_\w+)\(", (ROOT / name).read_text()))


@cache
def all_tests() -> frozenset[str]:
    names = [name for name in files() if name.startswith("tests/") and name.endswith(".py")]
    return frozenset().union(*(known_tests(name) for name in names))


def text_of(page: Path) -> str:
    text = page.read_text()
    for short, folder in SHORT if page.name == "faults.md" else ():
        text = short.sub(folder, text)
    return text


def code_of(page: Path) -> Iterator[str]:
    """What stands in code: spans of a line's text, and indented lines."""
    text = text_of(page)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
    yield from re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)


def found_file(name: str, page: Path) -> str | None:
    beside = (page.parent / name).resolve()
    if beside.is_file():
        return named(beside)
    return next((file for file in files() if file == name or file.endswith(f"/{name}")), None)


@pytest.mark.parametrize("page", [*PAGES, *NOTES], ids=named)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A rule whose test was renamed away would look proven."""
    text = text_of(page)
    stems = {Path(name).stem for name in files()}
    assert set(TEST.findall(text)) - all_tests() - stems == set()
    for name, test in re.findall(r"`([\w/]+\.py)::(test_\w+)`", text):
        found = found_file(name, page)
        assert found is not None and test in known_tests(found), f"{name}::{test}"


def test_every_test_in_the_table_of_faults_exists() -> None:
    """There a test is told behind its file, without its first word."""
    page = DOCS / "faults.md"
    told = re.findall(r"(tests/[\w/]+\.py): ((?:\w+_\w+(?:, )?)+)", text_of(page))
    assert len(told) > 20
    for name, tests in told:
        known = known_tests(name)
        for test in tests.rstrip(", ").split(", "):
            assert any(one.endswith(test) for one in known), f"{name}: {test}"


@pytest.mark.parametrize("page", [*PAGES, *NOTES], ids=named)
def test_every_file_and_link_that_a_page_names_exists(page: Path) -> None:
    for name in set(FILE.findall(text_of(page))):
        known = MADE_BY_RUNS.search(name) or found_file(name, page) or f'"{name}"' in source()
        assert known, name
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert link.startswith("http") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_and_its_variables_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for code in code_of(page):
        for target, rest in re.findall(r"\bmake ([a-z][a-z-]*)((?: +[A-Z_]+=\S+)*)", code):
            assert target in targets, f"make {target}"
            for name in re.findall(r"([A-Z_]+)=", rest):
                known = f"$({name})" in makefile or f'"{name}"' in source()
                assert known, f"make {target} {name}="


def sources_of(module: str) -> str:
    """The module's text with that of our modules that it imports itself."""
    name = module.replace(".", "/")
    paths = [ROOT / f"{name}.py", *sorted((ROOT / name).glob("*.py"))]
    text = "".join(path.read_text() for path in paths if path.is_file())
    assert text, f"python -m {module}"
    others = [
        ROOT / f"{used.replace('.', '/')}.py" for used in re.findall(r"from (run[\w.]+)", text)
    ]
    return text + "".join(path.read_text() for path in others if path.is_file())


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Makefile"], ids=named)
def test_every_command_has_the_options_that_a_page_gives_it(page: Path) -> None:
    for code in code_of(page) if page.suffix else [page.read_text()]:
        for option in re.findall(r"^(--[a-z][a-z0-9-]+)", code):
            assert f'"{option}"' in source(), option
        for module, rest in MODULE.findall(code):
            if module.partition(".")[0] in ("pytest", "pip"):
                continue
            text = sources_of(module)
            for option in re.findall(r"(?<!\S)\[?(--[a-z][a-z0-9-]+)", rest):
                assert f'"{option}"' in text or option == "--help", f"{module} {option}"
            first = re.match(r" ([a-z][a-z-]+)(?=\s|$)", rest)
            if first and "add_subparsers" in text:
                assert f'"{first[1]}"' in text, f"{module} {first[1]}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_parameter_code_and_event_that_a_page_names_exists(page: Path) -> None:
    text = text_of(page)
    settings = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"STRIKETAPE_[A-Z_]*[A-Z]\b", text)) - settings == set()
    for code in code_of(page):
        for name in OF_RULES.findall(code):
            if not re.search(r"\.(py|md|enabled)$|[A-Z]{4}", name):
                assert any(f"{known}.".startswith(f"{name}.") for known in PARAMETERS), name
    words = set(re.findall(r"\b(?!STRIKETAPE_)[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", text))
    words |= set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", text))
    assert {word for word in words if word not in source()} - {"ANY_ID"} == set()


def test_every_alert_of_the_desk_is_in_the_runbook() -> None:
    """Who is paged in the night finds the code there, and what to do."""
    halts = (ROOT / "domain/risk/halts.py").read_text() + (
        ROOT / "domain/risk/state.py"
    ).read_text()
    codes = set(re.findall(r'^[A-Z_]+ = "([A-Z_]{5,})"$', halts, re.MULTILINE))
    for name in files():
        if re.match(r"(domain|run|adapters/interactive_brokers)/(?!.*sandbox).*\.py$", name):
            for found in ALERT.findall((ROOT / name).read_text()):
                codes.update(found)
    told = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", (DOCS / "runbook.md").read_text()))
    assert len(codes) > 45
    assert codes - {""} - told == set()


def test_every_page_that_code_names_exists() -> None:
    named_pages = set(re.findall(r"docs/[\w/.-]+\.md", source()))
    assert len(named_pages) > 10
    assert named_pages - files() == set()


def test_every_key_of_the_demos_last_line_is_on_its_page() -> None:
    told = (ROOT / "run/demo/report.py").read_text().partition('"events": await')[2]
    keys = {"events", *re.findall(r'^ {8}"(\w+)": ', told.partition("}\n")[0], re.MULTILINE)}
    assert len(keys) > 20
    page = (DOCS / "demo.md").read_text().partition("## The last line")[2]
    assert keys - set(re.findall(r"`(\w+)`", page)) == set()
