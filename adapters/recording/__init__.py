"""What the clients of Unusual Whales hear, kept as it came in files that the sandbox plays back."""

from adapters.recording.player import UwPlayer
from adapters.recording.tape import Heard, Tape, read_day

__all__ = ["Heard", "Tape", "UwPlayer", "read_day"]
