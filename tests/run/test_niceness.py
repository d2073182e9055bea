"""What is derived lets what decides go first, on Linux also among sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from run.niceness import DERIVED, let_others_first

WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


def test_a_process_in_a_session_of_its_own_lets_others_go_first() -> None:
    """A niceness counts among the members of a session only, so that the session gets it too."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        let_others_first(DERIVED, process.pid)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == DERIVED
        group = Path(f"/proc/{process.pid}/autogroup")
        if group.exists():
            assert group.read_text().split()[-2:] == ["nice", str(DERIVED)]
        assert process.stdin is not None
        process.stdin.close()


def test_a_process_that_is_gone_is_said_to_be_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError):
        let_others_first(DERIVED, process.pid)
