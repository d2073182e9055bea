"""The replay tool says what is missing, without a traceback and with exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from run.embedded import free_port

ROOT = Path(__file__).resolve().parents[2]


def ask(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STRIKETAPE_")}
    environment |= {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0"}
    return subprocess.run(
        [sys.executable, "-m", "run.replay", *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_database_that_is_not_there_is_named_with_the_remedy() -> None:
    done = ask(f"postgresql://postgres@127.0.0.1:{free_port()}/none", "state", "--at", "10:00")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the database must be up and migrated" in done.stderr


def test_a_demo_that_has_ended_is_told_how_to_be_looked_at(tmp_path: Path) -> None:
    """Its database ends with it, which a newcomer need not know."""
    folder = tmp_path / "var" / "demo"
    folder.mkdir(parents=True)
    address = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    (folder / "demo.env").write_text(f"DATABASE_URL={address}\nREDIS_URL=redis://127.0.0.1:1/0\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STRIKETAPE_")}
    for name in ("DATABASE_URL", "REDIS_URL", "ENV_FILE"):
        kept.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "run.replay", "state", "--at", "9:30"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "`make demo-review`" in done.stderr


def test_an_empty_log_is_said_to_be_empty(database_url: str) -> None:
    done = ask(database_url, "state", "--at", "10:00")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the log is empty" in done.stderr and "make demo" in done.stderr


def test_every_question_explains_itself() -> None:
    done = ask("", "--help")
    assert done.returncode == 0 and "usage: python -m run.replay" in done.stdout
    assert "exit codes:" in done.stdout and "examples:" in done.stdout
