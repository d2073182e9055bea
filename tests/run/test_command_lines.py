"""Every daemon says what it is and refuses what it does not know, before any setting is read."""

from __future__ import annotations

import os
import re
import runpy
import warnings
from pathlib import Path

import pytest

from run.build import ROOT
from run.config import Settings, variable
from run.services import SERVICES

DAEMONS = ("run.trader", *(module for _, module in SERVICES))
OTHERS = ("run.all", "run.migrate", "run.sandbox_market", "run.sandbox_people")
COMMANDS = (
    *("run.halt", "run.release", "run.books", "run.accept_clock", "run.dividends"),
    "run.rates",
    "run.session",
    "run.controls",
)
SOURCES = {
    "run.feeds": ("run/feeds/__main__.py", "run/feeds/interactive_brokers.py"),
    "run.keeper": (
        "run/sealing.py",
        "run/archiving.py",
        "run/keeper/jobs.py",
        "run/keeper/log_files.py",
        "run/keeper/redis_memory.py",
    ),
    "run.outbox": ("run/outbox.py", "run/people.py"),
}
NEEDED = {
    "run.feeds": ["UW_TOKEN"],
    "run.outbox": ["TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID", "PUBLICATION_SECRET"],
    "run.telegram": ["TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID", "PUBLICATION_SECRET"],
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("STRIKETAPE_") or name in ("DATABASE_URL", "REDIS_URL", "ENV_FILE"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(module: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit code of `python -m module arguments`, run in this process because it ends early."""
    monkeypatch.setattr("sys.argv", [module, *arguments])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the module may be imported already
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    return ended.value.code


@pytest.mark.parametrize("module", [*DAEMONS, *OTHERS, *COMMANDS])
def test_help_tells_settings_exit_codes_and_an_example(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(module, monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m {module} ")
    assert all(f"\n  {code}  " in text for code in (0, 1, 2))
    example = text.partition("\nexample:\n")[2]
    assert f"python -m {module}" in example
    assert module.startswith("run.sandbox") or "DATABASE_URL" in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("module", [*DAEMONS, *OTHERS])
def test_an_unknown_argument_is_named_and_ends_with_2(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(module, monkeypatch, "--metrics-prot") == 2
    assert "unrecognized arguments: --metrics-prot" in capsys.readouterr().err


@pytest.mark.parametrize("module", [*DAEMONS, "run.all", "run.migrate"])
def test_a_missing_setting_is_named_with_its_remedy_and_ends_with_2(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(module, monkeypatch) == 2
    said = capsys.readouterr().err
    assert "DATABASE_URL must be set, was " in said
    assert "set it in " in said


@pytest.mark.parametrize("module", NEEDED)
def test_what_one_daemon_needs_is_named_too(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    assert run(module, monkeypatch) == 2
    said = capsys.readouterr().err
    for name in NEEDED[module]:
        assert f"STRIKETAPE_{name} must be set, was empty" in said
    assert "set it in .env or the environment" in said


@pytest.mark.parametrize("module", DAEMONS)
def test_help_names_every_setting_that_the_code_reads(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(module, monkeypatch, "--help")
    text = capsys.readouterr().out
    paths = SOURCES.get(module, (f"{module.replace('.', '/')}.py",))
    source = "\n".join((ROOT / path).read_text() for path in ("run/service.py", *paths))
    read = set(re.findall(r"settings\.([a-z_]+)", source)) & Settings.model_fields.keys()
    assert [name for name in sorted(read) if variable(name) not in text] == []


def test_run_all_names_every_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("run.all", monkeypatch, "--help")
    text = capsys.readouterr().out
    assert [name for name in Settings.model_fields if variable(name) not in text] == []
