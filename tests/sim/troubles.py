"""What goes wrong around a life: network, broker, halts. Drawn from the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from domain.events.controls import FlattenRequested, HaltRequested
from tests.sim.broker import NO_TROUBLE, SimTws, chances, standing_faults
from tests.sim.loop import VirtualLoop
from tests.sim.network import VirtualTransport

KINDS = ("cut", "cut", "stall", "down", "restart", "fin", "hold", "swallow", "mute", "clock")
ENDS = ("swallow_open_order_end", "swallow_executions_end", "swallow_position_end")
DOWN_SECONDS = 5.0
HALT_CHANCE = 0.15
LATE_SECONDS = 10.0
"""How long after the last fault the broker may still tell badly."""


class Troubles:
    """Plans the faults of one life and ends them."""

    def __init__(
        self,
        seed: int,
        loop: VirtualLoop,
        tws: SimTws,
        control: Callable[[HaltRequested | FlattenRequested], None],
        counted: Counter[str],
    ) -> None:
        self._random = Random(f"troubles {seed}")
        self._loop = loop
        self._tws = tws
        self._control = control
        self._counted = counted

    def plan(self, seconds: float) -> None:
        """Behaviour for the whole life, and what happens in its first `seconds`."""
        random = self._random
        for name, value in standing_faults(random).items():
            self._tws.faults.set(name, value)
        self._tws.callbacks = chances(random)
        for _ in range(random.choice((0, 0, 1, 2))):
            self._loop.call_later(random.uniform(1, seconds - 6), self._happen)
        if random.random() < HALT_CHANCE:
            kind = random.choice((HaltRequested, FlattenRequested))
            body = kind(who="operator", route="api", reason="drill")
            self._loop.call_later(random.uniform(6, seconds), self._halt, body)

    def end(self) -> None:
        """From here on only what happened before is left to be settled."""
        for name in ("reject_next_orders", "drop_next_orders", "inactive_then_live"):
            self._tws.faults.set(name, 0)
        self._loop.call_later(LATE_SECONDS, setattr, self._tws, "callbacks", NO_TROUBLE)

    def _halt(self, body: HaltRequested | FlattenRequested) -> None:
        self._counted[type(body).__name__] += 1
        self._control(body)

    def _happen(self) -> None:
        name = self._random.choice(KINDS)
        self._counted[name] += 1
        network, faults = self._loop.network, self._tws.faults
        client = next((end for end, _ in network.connections if end.is_open), None)
        if name == "cut" and client is not None:
            client.cut(self._some_bytes(client))
            client.peer.cut(self._some_bytes(client.peer))
        elif name == "stall" and client is not None:
            client.is_stalled = client.peer.is_stalled = True
        elif name == "down":
            network.is_down = True
            faults.set("disconnect", "reset")
            self._loop.call_later(DOWN_SECONDS, setattr, network, "is_down", False)
        elif name == "restart":
            faults.set("restart", self._random.choice((0, 5, 40)))
        elif name == "fin":
            faults.set("disconnect", "fin")
        elif name == "hold":
            self._for_a_while("hold_fills")
        elif name == "swallow":
            self._for_a_while(self._random.choice(ENDS))
        elif name == "mute":
            self._for_a_while("mute")
        elif name == "clock":
            self._for_a_while("swallow_current_time")

    def _for_a_while(self, switch: str) -> None:
        self._tws.faults.set(switch, True)
        self._loop.call_later(self._random.uniform(1, 9), self._tws.faults.set, switch, False)

    def _some_bytes(self, end: VirtualTransport) -> int:
        return self._random.randint(0, end.bytes_under_way)
