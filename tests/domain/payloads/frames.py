"""One frame of every channel, as the vendor documents it with invented values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

_FRAMES = msgspec.json.Decoder(tuple[str, msgspec.Raw])

FRAMES: Mapping[str, bytes] = {
    channel: bytes(payload)
    for channel, payload in map(
        _FRAMES.decode, Path(__file__).with_name("uw_frames.jsonl").read_bytes().splitlines()
    )
}
"""Payload by channel as joined."""
