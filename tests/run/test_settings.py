"""Settings: complete or refused by name, and never shown with their secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from run import archive, migrate, verify, worker_control
from run.build import ROOT
from run.config import SettingsError, check_address, load_settings, require, shown
from run.log import redact
from run.replay.__main__ import main as replay


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("STRIKETAPE_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    with pytest.raises(SettingsError, match="REDIS_URL"):
        load_settings()


def test_a_misspelt_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    monkeypatch.setenv("STRIKETAPE_IB_PROT", "7497")
    with pytest.raises(SettingsError, match="STRIKETAPE_IB_PROT"):
        load_settings()


def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    monkeypatch.setenv("STRIKETAPE_API_PORT", "hunter2")
    with pytest.raises(SettingsError, match="STRIKETAPE_API_PORT") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_channels_that_the_vendor_does_not_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    monkeypatch.setenv("STRIKETAPE_UW_CHANNELS_OFF", '["custom_alerts"]')
    assert load_settings().uw_channels_off == ("custom_alerts",)
    monkeypatch.setenv("STRIKETAPE_UW_CHANNELS_ON", '["dark_pool"]')
    with pytest.raises(SettingsError, match="dark_pool"):
        load_settings()


def test_the_file_is_read_and_its_unknown_names_refused(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DATABASE_URL=postgresql://u@h/d\nREDIS_URL=redis://h\nOWNER_PASSWORD=x\n")
    assert load_settings().database_url == "postgresql://u@h/d"
    file.write_text(file.read_text() + "STRIKETAPE_NO_SUCH=1\n")
    with pytest.raises(SettingsError, match="STRIKETAPE_NO_SUCH"):
        load_settings()


def test_a_copy_of_the_example_is_read_and_what_is_empty_in_it_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    settings = load_settings()
    assert (settings.mode, settings.telegram_chat_id) == ("paper", 0)
    with pytest.raises(SettingsError, match="STRIKETAPE_UW_TOKEN must be set, was empty"):
        require(settings, ["uw_token", "ib_host"])


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary1@host/d")
    monkeypatch.setenv("REDIS_URL", "redis://:canary2@host")
    monkeypatch.setenv("STRIKETAPE_UW_TOKEN", "canary3")
    text = str(shown(load_settings())) + repr(load_settings().uw_token)
    assert "canary" not in text
    assert "'uw_token': 'set'" in text


@pytest.mark.parametrize(
    ("database", "redis"),
    [
        ("postgresql://u:canary@h:1/d", "redis://:canary@h:1/2"),
        ("postgresql://h:1/d?user=u&password=canary", "redis://h:1/2?password=canary"),
        ("postgresql://u:p%2Fcanary@h:1/d?sslmode=require", "rediss://u:canary@h:1/2"),
    ],
)
def test_of_an_address_only_host_port_and_database_are_shown(
    monkeypatch: pytest.MonkeyPatch, database: str, redis: str
) -> None:
    """Wherever in it the password stands: `shown` goes onto the log."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("REDIS_URL", redis)
    found = shown(load_settings())
    assert (found["database_url"], found["redis_url"]) == ("h:1/d", "h:1/2")


NO_ADDRESSES = (
    "postgresql://me:canary/canary@127.0.0.1:1/db",
    "postgresql://me:canary#canary@127.0.0.1:1/db",
    "postgresql://me:canary?canary@127.0.0.1:1/db",
    "postgresql://me:12/canary@127.0.0.1:1/db",
    "postgresql://me:canary@127.0.0.1:99999/db",
    "postgresql://me:canary@127.0.0.1:1/db?canary",
    "postgres:/me:canary@h/db",
    "me:canary@h/db",
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (verify.main, ()),
        (replay, ("why", "1")),
        (archive.main, ()),
        (migrate.main, ()),
        (worker_control.main, ("status",)),
    ],
    ids=["verify", "replay", "archive", "migrate", "worker_control"],
)
def test_no_tool_repeats_anything_of_an_address_that_it_refuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tool: Callable[[list[str]], int],
    arguments: tuple[str, ...],
    address: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("REDIS_URL", "redis://h")
    for form in ((), ("--json",)):
        assert tool([*arguments, *form]) == 2
        told = "".join(capsys.readouterr())
        assert "DATABASE_URL must" in told and "canary" not in told


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u@h1:1,h2:2/d",
        "postgresql:///d?host=/tmp/socket",
        "postgres://[::1]:5432/d",
        "postgresql://u:%40%2F%23@h-1.example/d?sslmode=require",
    ],
)
def test_every_form_of_a_good_address_is_taken(address: str) -> None:
    check_address("database_url", address)


@pytest.mark.parametrize(
    "line",
    [
        "POST http://127.0.0.1/bot123456:AAcanary/sendMessage",
        "ws://h/socket?token=canary&x=1",
        "Authorization: Bearer canary",
        "Authorization: Bot canary",
    ],
)
def test_logs_lose_tokens(line: str) -> None:
    assert "canary" not in redact(line)


def test_a_named_file_is_read_instead_and_must_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://real\nREDIS_URL=redis://real\n")
    named = tmp_path / "demo.env"
    monkeypatch.setenv("ENV_FILE", str(named))
    with pytest.raises(SettingsError, match=r"ENV_FILE must name a file.*demo\.env"):
        load_settings()
    named.write_text("DATABASE_URL=postgresql://demo\nREDIS_URL=redis://demo\n")
    assert load_settings().database_url == "postgresql://demo"
