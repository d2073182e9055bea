"""export: a bundle that anybody can check offline, and that shows when it was touched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from run.replay import verify_bundle
from tests.run.replay.conftest import Ask
from tests.run.replay.small_log import MESSAGE, SIGNAL
from tests.run.replay.test_replay_commands import answered


@pytest.fixture
def bundle(ask: Ask, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    answered(ask, "export", "--incident", SIGNAL, "--out", str(folder))
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_a_bundle_holds_the_story_and_the_state_around_it(bundle: Path, ask: Ask) -> None:
    events = rows(bundle)
    story = answered(ask, "why", SIGNAL)["events"]
    assert [row["event_id"] for row in events] == [row["event_id"] for row in story]
    before = json.loads((bundle / "state_before.json").read_text())
    after = json.loads((bundle / "state_after.json").read_text())
    assert before["orders"] == [] and len(after["orders"]) == 2
    assert before["position"] == events[0]["position"] - 1
    assert after["position"] == events[-1]["position"]
    assert "OrderIntended" in (bundle / "story.txt").read_text()


def test_a_bundle_is_checked_without_the_project(bundle: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(bundle / "verify.py")],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is as exported" in done.stdout


def test_the_same_log_gives_the_same_bytes(ask: Ask, bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    first = verify_bundle.sha256((bundle / "manifest.json").read_bytes())
    made = answered(ask, "export", "--incident", SIGNAL, "--out", str(again))
    assert made["manifest_sha256"] == first
    assert verify_bundle.main([str(again), "--manifest-sha256", first]) == 0


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _drop_event(folder: Path) -> None:
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3] + lines[4:]))


def _forge_manifest(folder: Path) -> None:
    """An event is dropped and its file's digest written anew: the chain still tells."""
    _drop_event(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    digest = verify_bundle.sha256((folder / "events.jsonl").read_bytes())
    manifest["files"]["events.jsonl"]["sha256"] = digest
    path.write_text(json.dumps(manifest))


TOUCHED = {
    "an event is changed": lambda f: change(f / "events.jsonl", '"quantity":9', '"quantity":8'),
    "an event is dropped": _drop_event,
    "the manifest follows": _forge_manifest,
    "the state is changed": lambda f: change(f / "state_after.json", '"filled":9', '"filled":8'),
    "a file is missing": lambda f: (f / "story.txt").unlink(),
    "a file is added": lambda f: (f / "notes.txt").write_text("x"),
    "the check is changed": lambda f: change(f / "verify.py", "return 1 if found", "return 0 if"),
    "the manifest is no JSON": lambda f: (f / "manifest.json").write_text("{"),
    "there is no manifest": lambda f: (f / "manifest.json").unlink(),
}


@pytest.mark.parametrize("touch", TOUCHED.values(), ids=TOUCHED.keys())
def test_what_was_touched_is_found(
    bundle: Path, touch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_bundle.main([str(bundle)]) == 0
    capsys.readouterr()
    assert verify_bundle.main([str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out).items() >= {"touched": False, "findings": []}.items()
    touch(bundle)
    assert verify_bundle.main([str(bundle)]) == 1
    capsys.readouterr()
    assert verify_bundle.main([str(bundle), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"]


def test_a_manifest_made_anew_is_found_by_the_digest_noted_elsewhere(
    ask: Ask, bundle: Path
) -> None:
    noted = verify_bundle.sha256((bundle / "manifest.json").read_bytes())
    shutil.rmtree(bundle)
    answered(ask, "export", "--incident", "s0", "--out", str(bundle))
    assert verify_bundle.main([str(bundle)]) == 0
    assert verify_bundle.main([str(bundle), "--manifest-sha256", noted]) == 1


def test_a_folder_that_holds_something_is_left_alone(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = ask("export", "--incident", MESSAGE, "--out", str(tmp_path))
    assert done.code == 2 and "new or empty folder" in done.err
    done = ask("export", "--incident", MESSAGE, "--out", str(tmp_path / "mine.txt"))
    assert done.code == 2 and "can be written" in done.err


def test_an_incident_that_nobody_knows_is_refused(ask: Ask, tmp_path: Path) -> None:
    done = ask("export", "--incident", "nonsense", "--out", str(tmp_path / "none"))
    assert done.code == 2 and not (tmp_path / "none").exists()


def test_text_tells_how_to_check_the_bundle(ask: Ask, tmp_path: Path) -> None:
    done = ask("export", "--incident", MESSAGE, "--out", str(tmp_path / "new"))
    assert done.code == 0 and "verify.py" in done.out and "SHA-256" in done.out
