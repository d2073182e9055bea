"""Twenty bugs that somebody could write, each one edit; the tests must catch them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """`old` stands once in `path`; the bug puts `new` there."""

    name: str
    path: str
    old: str
    new: str


FIXED = (
    Bug(
        "dropped idempotency key",
        "domain/stage.py",
        "event_id=derived_id(worker, source.event_id, ordinal)",
        "event_id=__import__('uuid').uuid4()",
    ),
    Bug(
        "confirm before commit",
        "run/worker_commits.py",
        "        proposed = self._proposals(emitted)\n",
        "        if emitted and self._on_committed is not None:\n"
        "            self._on_committed(list(emitted))\n"
        "        proposed = self._proposals(emitted)\n",
    ),
    Bug(
        "blind retry of a send",
        "run/order_effect.py",
        "            except NotSent as error:\n                refusal = str(error)\n"
        "        if refusal:\n            await self._append("
        "[self._outcomes.lapsed(member, refusal)",
        "                self.broker.place_bracket([_intended(member) for member in members])\n"
        "            except NotSent as error:\n                refusal = str(error)\n"
        "        if refusal:\n            await self._append("
        "[self._outcomes.lapsed(member, refusal)",
    ),
    Bug(
        "off by one in a limit",
        "domain/risk/limits.py",
        "result=Result.PASS if value <= self.limit else Result.FAIL",
        "result=Result.PASS if value - self.per_unit <= self.limit else Result.FAIL",
    ),
    Bug(
        "skipped gap in recovery",
        "run/worker.py",
        "async for source, own in inputs_with_emissions(self, after, checkpoint):",
        "async for source, own in inputs_with_emissions(self, after + 1, checkpoint):",
    ),
    Bug(
        "stop covers more than is held",
        "domain/execution/protection.py",
        "    total = stop.filled + held\n",
        "    total = stop.quantity + held\n",
    ),
    Bug(
        "second client id",
        "run/order_effect.py",
        '                self._log.warning("client id in use: another trader or its watchdog '
        'lives")\n',
        "                self.broker._client_id += 1\n",
    ),
    Bug(
        "exit outside its OCA group",
        "domain/execution/exits.py",
        "        oca_group=group_of(desk, trade),\n",
        '        oca_group="",\n',
    ),
    Bug(
        "ids from nextValidId alone",
        "domain/execution/connection.py",
        "first = max(body.next_valid_id + REQUEST_IDS, desk.reserved_to + 1)",
        "first = body.next_valid_id + REQUEST_IDS",
    ),
    Bug(
        "intents of an earlier run are forgotten",
        "domain/execution/connection.py",
        "        unsent = order.state is OrderState.INTENDED and intended\n",
        "        unsent = False\n",
    ),
    Bug(
        "fills counted by execution id",
        "domain/execution/fills.py",
        'return exec_id.rpartition(".")[0] or exec_id',
        "return exec_id",
    ),
    Bug(
        "a combination's own execution moves the position",
        "domain/execution/fills.py",
        "    if execution.sec_type == COMBINATION:\n        return None\n",
        "    if execution.sec_type == COMBINATION:\n"
        "        return order.structure.legs[0].contract\n",
    ),
    Bug(
        "one missing listing ends an order",
        "domain/execution/reconcile.py",
        "if (own_connection or combination_exit) and not agreed:",
        "if combination_exit and not agreed:",
    ),
    Bug(
        "an exit ignores what the broker holds",
        "domain/execution/desk.py",
        "        return max(0, units - short)\n",
        "        return units\n",
    ),
    Bug(
        "an exit is enlarged before its legs are counted",
        "domain/execution/exits.py",
        "order.quantity if _legs_missing(order) else order.filled + wanted",
        "order.filled + wanted",
    ),
    Bug(
        "a halt is not looked at before a send",
        "run/order_effect.py",
        "        if first.opens and (halted := self.entries_stopped or "
        "self._halted_outside()):\n"
        '            return f"halt: {halted}"\n        return late',
        "        return late",
    ),
    Bug(
        "a halt stops exits too",
        "run/order_effect.py",
        "        if first.opens and (halted := self.entries_stopped",
        "        if (halted := self.entries_stopped",
    ),
    Bug(
        "an order is modified that this connection never showed",
        "domain/execution/desk.py",
        "        if self.connection is None or order.seen_on != self.connection.name:\n"
        '            self.want_snapshot(f"{order.ref} was not shown on this connection")\n'
        "            return False\n",
        "",
    ),
    Bug(
        "one quote confirms a stop",
        "domain/execution/watched.py",
        "        watched.breached_at = now\n    elif",
        "        watched.breached_at, watched.is_breached_again = now, True\n    elif",
    ),
    Bug(
        "an abandoned entry that turns up goes on working",
        "domain/execution/entries.py",
        "    if order.was_abandoned:\n"
        '        reason = f"abandoned {order.purpose.value} turned up"\n    elif',
        "    if",
    ),
)
