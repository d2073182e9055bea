"""`python -m run.verify`: exit codes and answers that tell what to do."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from run.embedded import EmbeddedPostgres
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


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("arguments", [(), ("--from", "2030-01-01")])
def test_damage_to_the_only_head_is_tampering_with_a_position(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Also when it is no head of the days asked for, but the one that those go on from."""
    (path,) = Path("var/seals/heads").iterdir()
    path.write_text(path.read_text().replace('"count":', '"count":1', 1))
    code, text = answer(capsys, *arguments)
    assert code == 1
    assert text.startswith("TAMPERED: first bad position 1: ") and "was altered" in text
    code, text = answer(capsys, *arguments, "--json")
    assert code == 1
    assert json.loads(text)["finding"]["position"] == 1


@pytest.mark.usefixtures("sealed")
def test_a_foreign_file_among_the_heads_makes_no_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("var/seals/heads/2026-99-99.jsonl").write_text("nothing\n")
    assert answer(capsys)[0] == 0


@pytest.mark.usefixtures("sealed")
def test_what_stands_in_the_way_is_named_by_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A key of other bytes, and heads that the disk does not give: neither is the database."""
    Path("var/seals/heads/2001-01-01.jsonl").mkdir()
    code, text = answer(capsys)
    assert code == 2
    assert "2001-01-01.jsonl must be readable" in text and "DATABASE_URL" not in text
    Path("var/seal.key").write_bytes(bytes(range(128, 192)))
    code, text = answer(capsys)
    assert (code, "must hold 64 hex digits" in text) == (2, True)


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "2001-01-01", "--to", "2001-01-02"),
        ("--from", "2030-01-01", "--to", "2020-01-01"),
    ],
)
def test_nothing_compared_is_not_clean(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, text = answer(capsys, *arguments)
    assert code == 2
    assert "nothing was compared; days with seals go from 2" in text


@pytest.mark.usefixtures("sealed")
def test_a_database_without_the_tables_is_told_to_be_migrated(
    capsys: pytest.CaptureFixture[str],
    postgres_server: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_server.dsn())
    code, text = answer(capsys)
    assert code == 2
    assert "run python -m run.migrate" in text
    monkeypatch.setenv("DATABASE_URL", postgres_server.dsn("no_such_database"))
    code, text = answer(capsys)
    assert code == 2
    assert "must be readable at DATABASE_URL" in text and "no_such_database" in text


@pytest.mark.usefixtures("sealed")
def test_a_fault_of_the_tool_is_not_taken_for_tampering(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("store.verification.Verification.run", broken)
    code = main(["--json"])
    shown = capsys.readouterr()
    assert code == 70
    assert json.loads(shown.out)["result"] == "broken"
    assert "a defect" in shown.err
