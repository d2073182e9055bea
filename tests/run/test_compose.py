"""compose.yaml as Compose itself reads it, with a .env made from the example and nothing else."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from run import api
from run.build import ROOT
from run.config import load_settings
from run.services import SERVICES

COMPOSE = Path(sys.prefix) / "bin" / "docker-compose"
PASSWORDS = {"OWNER_PASSWORD": "owner0password", "SERVICE_PASSWORD": "service0password"}


def compose(
    folder: Path, *arguments: str, files: tuple[str, ...] = ("compose.yaml",)
) -> subprocess.CompletedProcess[str]:
    chosen = [part for name in files for part in ("-f", str(folder / name))]
    return subprocess.run(
        [str(COMPOSE), *chosen, "config", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout of what Compose looks at."""
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    shutil.copytree(ROOT / "docs" / "prometheus", tmp_path / "docs" / "prometheus")
    lines = (ROOT / ".env.example").read_text().splitlines()
    filled = [line + PASSWORDS.get(line.rstrip("="), "") for line in lines]
    (tmp_path / ".env").write_text("\n".join(filled))
    return tmp_path


def services(folder: Path) -> dict[str, Any]:
    done = compose(folder, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize(
    "files", [("compose.yaml",), ("compose.yaml", "docs/prometheus/compose.yaml")]
)
def test_compose_accepts_it_without_a_word(folder: Path, files: tuple[str, ...]) -> None:
    done = compose(folder, "--quiet", files=files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", PASSWORDS)
def test_a_password_that_is_not_set_is_named(folder: Path, name: str) -> None:
    text = (folder / ".env").read_text()
    (folder / ".env").write_text(text.replace(PASSWORDS[name], ""))
    done = compose(folder, "--quiet")
    assert done.returncode != 0
    assert f"set {name} in .env" in done.stderr


def test_every_service_of_the_desk_runs_its_module_after_the_migration(folder: Path) -> None:
    found = services(folder)
    others = {"postgres", "valkey", "migrate"}
    assert {name: about["command"] for name, about in found.items() if name not in others} == {
        name: ["python", "-m", module] for name, module in SERVICES
    }
    for name, _ in SERVICES:
        assert found[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_only_the_page_is_reachable_and_only_from_this_machine(folder: Path) -> None:
    ports = [port for about in services(folder).values() for port in about.get("ports", [])]
    assert [(port["host_ip"], port["published"]) for port in ports] == [("127.0.0.1", "8080")]


def test_only_the_keeper_of_the_services_holds_the_owners_password(folder: Path) -> None:
    """Only the owner may drop a day that was archived."""
    for name, about in services(folder).items():
        holds = PASSWORDS["OWNER_PASSWORD"] in json.dumps(about.get("environment"))
        assert holds == (name in ("postgres", "migrate", "keeper")), name


def test_the_printed_line_of_the_operators_password_reaches_the_api_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unquoted, Compose would cut the hash at each $, and nobody could ever log in."""
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert api.hash_password() == 0
    line = capsys.readouterr().out
    name = "STRIKETAPE_OPERATOR_PASSWORD_HASH"
    text = (folder / ".env").read_text()
    (folder / ".env").write_text(text.replace(f"{name}=\n", line))
    in_container = services(folder)["api"]["environment"][name].replace("$$", "$")
    assert PasswordHasher().verify(in_container, "correct horse battery")
    monkeypatch.setenv("ENV_FILE", str(folder / ".env"))
    monkeypatch.delenv(name, raising=False)
    hashed = load_settings().operator_password_hash
    assert hashed.get_secret_value() == in_container


@pytest.mark.parametrize("name", [name for name, _ in SERVICES])
def test_the_settings_of_a_container_are_settings(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in list(os.environ):
        if known.startswith("STRIKETAPE_") or known == "ENV_FILE":
            monkeypatch.delenv(known)
    monkeypatch.chdir("/")
    for known, value in services(folder)[name]["environment"].items():
        monkeypatch.setenv(known, value)
    settings = load_settings()
    assert settings.database_url.startswith("postgresql://striketape_service:")
    assert (settings.mode, settings.metrics_port, settings.ib_port) == ("paper", 9400, 7497)
    assert settings.ib_host == "host.docker.internal"


def commands() -> list[list[str]]:
    """Arguments of each call of Compose that the pages tell, without files and options."""
    found = []
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text()
        inline = (part for part in re.findall(r"`([^`]+)`", text) if "docker" in part)
        lines = re.findall(r"^    (docker compose .*)$", text, re.MULTILINE)
        for told in (*inline, *lines):
            words = re.sub(r"-f \S+", "", " ".join(told.split())).split()
            if words[:2] == ["docker", "compose"]:
                found.append([word for word in words[2:] if not word.startswith("-")])
    return found


def test_the_pages_call_services_that_there_are(folder: Path) -> None:
    known = services(folder).keys()
    told = commands()
    assert len(told) > 8
    for verb, *rest in told:
        assert verb in {"up", "exec", "run", "restart", "logs", "cp"}, verb
        if verb != "up":
            assert rest[0].partition(":")[0] in known, (verb, rest)
