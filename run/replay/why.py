"""`why ID`: the chain of anything that has an id, from the root down to every effect."""

from __future__ import annotations

import argparse
import sys
from uuid import UUID

from run.replay.printing import as_row, event_line, print_json
from run.replay.story import EVENTS_MAX, Story, story_of
from store.contract import EventStore

INDENT_MAX = 12
SHOWS_UNREADABLE = True
"""An event that this build cannot read is shown as stored; other commands refuse it."""

EXAMPLES = """examples:
  why P227f752ab686539a-E1     an order by its reference
  why 8a3f...                  an event, delivery or approval by its id
  why 990001                   a message by the id that Discord, X, Reddit or Telegram gave it
  why log/1234                 the event at a log position; message/57 forces the other reading
  why signal/SPY-... --json    by its stream, as JSON

Lines marked > are what was asked for; indents follow the causes.
exit codes: 0 answered; 2 nothing on the log has that name."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="id, order reference, message id, stream or log position")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print the story of a name."""
    story = await story_of(store, asked.id)
    if story.truncated and not asked.json:
        print(f"the story is longer: {EVENTS_MAX} events are shown", file=sys.stderr)
    if asked.json:
        rows = [{**as_row(event), "named": event.event_id in story.named} for event in story.events]
        print_json({"id": asked.id, "truncated": story.truncated, "events": rows})
    else:
        print("\n".join(lines(story)))
    return 0


def lines(story: Story) -> list[str]:
    """A line an event, by position; each indented behind its cause."""
    depth: dict[UUID, int] = {}
    found: list[str] = []
    for event in story.events:
        level = depth.get(event.causation_id, -1) + 1 if event.causation_id else 0
        depth[event.event_id] = level
        mark = ">" if event.event_id in story.named else " "
        found.append(f"{mark} {event_line(event, min(level, INDENT_MAX))}")
    return found
