"""The bytes that the trader sent to the broker, read as frames: what was asked, and when."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from tests.sim.network import Network

PLACE, CANCEL = 3, 4
_REFERENCE = re.compile(r"^P[0-9a-f]{16}-[ESX][0-9.]+$")


@dataclass(frozen=True, slots=True)
class Frame:
    """One request. `order_ref` is set for orders, `order_id` for orders and cancels."""

    at: float
    """Seconds of virtual time."""
    connection: int
    kind: int
    order_id: int
    order_ref: str


def frames_of(network: Network) -> tuple[Frame, ...]:
    found: list[Frame] = []
    for number, (client, _) in enumerate(network.connections):
        found += frames_in(number, client.sent)
    return tuple(sorted(found, key=lambda frame: frame.at))


def frames_in(connection: int, sent: list[tuple[float, bytes]]) -> list[Frame]:
    """The frames of one connection; each piece of what was sent holds whole ones."""
    found = []
    for at, data in sent:
        rest = data.removeprefix(b"API\0")
        while len(rest) > 4:
            (length,) = struct.unpack(">I", rest[:4])
            fields = rest[4 : 4 + length].decode(errors="replace").split("\0")
            rest = rest[4 + length :]
            if not fields[0].isdigit():
                continue
            kind = int(fields[0])
            if kind == PLACE:
                reference = next((f for f in fields if _REFERENCE.match(f)), "")
                found.append(Frame(at, connection, kind, int(fields[1]), reference))
            elif kind == CANCEL:
                found.append(Frame(at, connection, kind, int(fields[2]), ""))
            else:
                found.append(Frame(at, connection, kind, 0, ""))
    return found
