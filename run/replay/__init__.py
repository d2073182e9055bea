"""Replay: questions about any moment of the log, answered from the log alone.

`python -m run.replay COMMAND`; run/replay/cli.py lists the commands, one module each. Nothing
here appends to the log or calls a vendor. docs/replay.md leads an incident reviewer through it.
"""

from run.replay.verify_decisions import verify, verify_worker

__all__ = ["verify", "verify_worker"]
