"""`python -m run.verify`: exit codes and answers that tell what to do."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from run.verify import main
from store.postgres import PostgresStore
from store.seal import make_key
from store.sealer import Sealer
from tests.store.sealed_log import mixed, proposal


@pytest.fixture
async def sealed(
    store: PostgresStore, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log with 20 sealed events, and the settings that find it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    await store.append(mixed(1, 20))
    key = make_key(Path("var/seal.key"))
    await Sealer(store, store.canonical, Path("var/seals"), key, proposal).beat()


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.mark.usefixtures("sealed")
def test_a_clean_log_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = answer(capsys)
    assert code == 0
    assert text.startswith("clean: 20 events in 1 sealed stretches up to position 20 (")
    code, text = answer(capsys, "--json")
    assert code == 0
    assert json.loads(text).items() >= {"result": "clean", "events": 20, "not_sealed": 2}.items()


@pytest.mark.usefixtures("sealed")
def test_a_touched_log_ends_with_1_and_says_where(
    capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE events SET worker = 'nobody' WHERE position = 7")
    code, text = answer(capsys)
    assert (code, text) == (
        1,
        "TAMPERED: first bad position 7: the event is not what was sealed: it was altered\n",
    )
    code, text = answer(capsys, "--json")
    assert code == 1
    assert json.loads(text)["finding"]["position"] == 7


@pytest.mark.usefixtures("sealed")
def test_what_cannot_be_read_ends_with_2_and_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Path("var/seal.key")
    key.rename("elsewhere")
    code, text = answer(capsys)
    assert code == 2
    assert "put it back" in text
    Path("elsewhere").rename(key)
    monkeypatch.setenv("STRIKETAPE_SEAL_FOLDER", "nowhere")
    code, text = answer(capsys, "--json")
    assert code == 2
    assert "put it back from its backup" in json.loads(text)["error"]
    monkeypatch.delenv("STRIKETAPE_SEAL_FOLDER")
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:9/nothing")
    code, text = answer(capsys)
    assert code == 2
    assert "must be readable at DATABASE_URL" in text
