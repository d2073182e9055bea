// Rows for the tests of the models.
import type { EventRow } from "../../api/types";

export function exampleEvent(position: number, values: Partial<EventRow> = {}): EventRow {
  const at = new Date(Date.UTC(2026, 9, 6, 14, 0, position)).toISOString();
  return {
    position,
    event_id: `event-${position}`,
    type: "OrderIntended",
    stream: "order/1",
    version: position,
    schema: 1,
    retention: "desk",
    occurred_at: at,
    recorded_at: at,
    market_time: at,
    causation_id: null,
    correlation_id: "story-1",
    worker: "trader",
    build: "b",
    input_position: null,
    ordinal: 0,
    summary: `event ${position}`,
    ...values,
  };
}
