"""What the feeds hear of both vendors, kept as it came in files that the sandboxes play back."""

from adapters.recording.pace import Pace
from adapters.recording.tape import Day, Heard, Tape
from adapters.recording.tws_player import TwsPlayer
from adapters.recording.uw_player import UwPlayer

__all__ = ["Day", "Heard", "Pace", "Tape", "TwsPlayer", "UwPlayer"]
