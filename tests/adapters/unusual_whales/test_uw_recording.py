"""What the clients hear is kept without the token, and played back as it came."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.recording import Day, Heard, Pace, Tape, UwPlayer
from adapters.recording.tape import REST, SOCKET
from adapters.unusual_whales import UwAnswer, UwMessage, UwRest, UwSocket, UwSocketListener
from run.embedded import free_port
from run.sandbox_market import main
from tests.adapters.unusual_whales.conftest import Wire

CHANNELS = ("option_trades:SPY", "price:SPY", "price:QQQ", "gex:SPY")
CALLS = (
    ("/api/stock/SPY/stock-state", {}),
    ("/api/stock/SPY/ohlc/1m", {"limit": "10"}),
    ("/api/stock/ZZZZZ/stock-state", {}),
)
MESSAGES = 40
NOON = datetime(2026, 10, 6, 16, 0, tzinfo=UTC)


async def heard_of(
    url: str, token: str, tape: Tape | None, move: Callable[[], None]
) -> list[tuple[str, bytes]]:
    """The first messages of a socket, each channel with its payload."""
    found: list[tuple[str, bytes]] = []
    listener = UwSocketListener()
    listener.on_state = lambda state: move() if state.state == "ready" else None  # type: ignore[method-assign]
    kept = tape.socket if tape else None
    async with UwSocket(url, token, CHANNELS, listener, heard=kept) as socket:
        while len(found) < MESSAGES:
            for item in await socket.take(MESSAGES - len(found)):
                assert isinstance(item, UwMessage)
                found.append((item.channel, item.payload))
    return found


async def answers_of(url: str, token: str, tape: Tape | None) -> list[tuple[int, bytes]]:
    def keep(answer: UwAnswer) -> None:
        assert tape is not None
        tape.rest(f"{answer.path}?{answer.query}", answer.status, answer.body_bytes)

    async with UwRest(url, token, heard=keep if tape else None) as rest:
        answers = [await rest.get("x", path, dict(query)) for path, query in CALLS]
    return [(answer.status, answer.body_bytes) for answer in answers]


async def test_a_recorded_run_plays_back_the_same_messages_and_answers(
    wire: Wire, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    tape = Tape(folder, [wire.token], lambda: datetime.now(UTC))
    messages = await heard_of(wire.socket_url, wire.token, tape, lambda: wire.move(10))
    answers = await answers_of(wire.rest_url, wire.token, tape)
    tape.close()
    (day,) = folder.iterdir()
    port = free_port()
    heard = Day(day)
    player = UwPlayer(heard, "another token", Pace(heard.began, speed=20))
    await player.start("127.0.0.1", port)
    try:
        url = f"ws://127.0.0.1:{port}/socket"
        assert await heard_of(url, "another token", None, lambda: None) == messages
        assert await answers_of(f"http://127.0.0.1:{port}", "another token", None) == answers
    finally:
        await player.stop()


class Tapes:
    """Tapes whose clock a test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = NOON

    def open(self, bytes_max: int = 1_000_000) -> Tape:
        return Tape(self.folder, ["a-token", ""], lambda: self.at, bytes_max)


def test_a_recording_has_no_secret_and_a_folder_for_each_day(tmp_path: Path) -> None:
    tapes = Tapes(tmp_path)
    tape = tapes.open()
    tape.socket(b'["news",{"headline":"a-token"}]')
    tapes.at += timedelta(hours=8)
    tape.rest("/api/x?key=a-token", 401, b"no a-token")
    tape.close()
    assert list(Day(tmp_path / "2026-10-06")) == [
        Heard(NOON, SOCKET, b'["news",{"headline":"***"}]')
    ]
    assert list(Day(tmp_path / "2026-10-07")) == [
        Heard(tapes.at, REST, b"no ***", "/api/x?key=***", 401)
    ]


def test_a_day_of_recordings_is_bounded_over_all_runs(tmp_path: Path) -> None:
    tapes = Tapes(tmp_path)
    for _ in range(3):
        tape = tapes.open(bytes_max=20_000)
        for _ in range(40):
            tape.socket(os.urandom(1_000))
        tape.close()
        tapes.at += timedelta(seconds=1)
    assert tape.left_out == 40
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.tape"))
    assert 20_000 <= size < 80_000


def test_what_was_flushed_before_a_kill_is_read_and_the_cut_record_is_not(tmp_path: Path) -> None:
    tapes = Tapes(tmp_path)
    tape = tapes.open()
    for number in range(50):
        tape.socket(b"%d" % number)
        tapes.at += timedelta(seconds=1)
    (path,) = tmp_path.rglob("*.tape")
    whole = path.read_bytes()
    tape.close()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    kept = [record.data for record in Day(path.parent)]
    assert 0 < len(kept) < 50
    assert kept == [b"%d" % number for number in range(len(kept))]


def test_a_disk_that_takes_no_more_does_not_stop_what_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "2026-10-06").write_text("a file in the place of the folder")
    tape = Tapes(tmp_path).open()
    tape.socket(b"one")
    tape.socket(b"two")
    assert tape.left_out == 2
    tape.close()


def test_a_folder_without_a_recording_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--replay", str(tmp_path), "--uw-port", str(free_port())]) == 1
    assert f"a recording must be in {tmp_path}" in capsys.readouterr().err
