"""What is derived lets what decides go first, on Linux also among sessions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from run.niceness import DERIVED, TURN_NANOSECONDS, let_others_first

ON_LINUX = sys.platform == "linux"
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


def test_what_decides_asks_for_short_turns_and_so_does_what_it_starts() -> None:
    """Of a server, those that serve connections; refused or unknown, it goes on all the same."""
    reads = "import ctypes; a = ctypes.create_string_buffer(56); c = ctypes.CDLL(None).syscall"
    code = f"""
import os, platform, struct
from run.niceness import take_short_turns
os.nice(3)
taken = take_short_turns()
child = os.fork()
if child:
    os.waitpid(child, 0)
elif taken:
    {reads}
    c({{"x86_64": 315, "aarch64": 275}}[platform.machine()], 0, a, 56, 0)
    print(struct.unpack("=IIQiIQQQII", a.raw)[3:6], flush=True)
else:
    print("not taken", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    release = [int(part) for part in platform.release().split(".")[:2]] if ON_LINUX else [0]
    niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    heeded = (niceness, 0, TURN_NANOSECONDS if release >= [6, 12] else 0)
    assert done.stdout.strip() in ("not taken", str(heeded))
