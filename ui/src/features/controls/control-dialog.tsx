// Confirm a control with a reason, press it once, and follow it until the log says what became of it.
import { useRef, useState, type FormEvent } from "react";
import { ApiError, control, newKey } from "../../api/client";
import { useLive } from "../../api/live";
import type { ControlResult } from "../../api/types";
import { Dialog } from "../../components/ui/dialog";
import { EventLink } from "../../routes/link";
import { useDesk } from "../login/session";

const REASON_CHARACTERS_MIN = 8;
const PRICE = "-?[0-9]{1,5}([.][0-9]{1,2})?";

interface Field {
  name: string;
  label: string;
  /** A price unless another pattern, or a choice of values with their texts, is given. */
  pattern?: string;
  choices?: readonly (readonly [string, string])[];
  value?: string;
  isRequired?: boolean;
}

export interface ControlSpec {
  title: string;
  /** What will happen, in a sentence. */
  consequence: string;
  path: string;
  button: string;
  defaultReason?: string;
  reasonName?: "reason" | "comment";
  extra?: Record<string, string | number>;
  /** To fill in by name of the request's field; one left empty is not sent. */
  fields?: Field[];
  /** The request's fields, when they are not as filled in. */
  toBody?: (given: Record<string, string>) => Record<string, unknown>;
  /** The operator types this word to confirm. */
  typedWord?: string;
  needsPassword?: boolean;
  isDanger?: boolean;
}

export function ControlDialog({ spec, onClose }: { spec: ControlSpec; onClose: () => void }) {
  const { session } = useDesk();
  const key = useRef(newKey());
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [result, setResult] = useState<ControlResult | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const filled: Record<string, string> = Object.fromEntries(
      (spec.fields ?? [])
        .map(({ name }) => [name, String(given.get(name)).trim()])
        .filter(([, value]) => value !== ""),
    );
    const body = {
      ...spec.extra,
      [spec.reasonName ?? "reason"]: String(given.get("reason")),
      ...(spec.toBody ? spec.toBody(filled) : filled),
      ...(spec.needsPassword ? { password: String(given.get("password")) } : {}),
    };
    setIsBusy(true);
    setProblem("");
    try {
      setResult(await control(spec.path, body, session.csrf_token, key.current));
    } catch (error) {
      // The desk answered, so a corrected press is another request; else it must stay the same one.
      if (error instanceof ApiError) key.current = newKey();
      setProblem(
        error instanceof ApiError ? `${error.message}; ${error.remedy}` : `no answer: ${error}`,
      );
    }
    setIsBusy(false);
  };
  return (
    <Dialog title={spec.title} onClose={onClose}>
      {result ? (
        <Outcome result={result} onClose={onClose} />
      ) : (
        <form onSubmit={(event) => void submit(event)}>
          <p>{spec.consequence}</p>
          {(spec.fields ?? []).map((field) => (
            <FieldInput key={field.name} field={field} />
          ))}
          <label htmlFor="reason">Reason</label>
          <input
            id="reason"
            name="reason"
            required
            minLength={REASON_CHARACTERS_MIN}
            maxLength={500}
            defaultValue={spec.defaultReason}
            autoComplete="off"
          />
          {spec.needsPassword && (
            <>
              <label htmlFor="again">Password, again</label>
              <input
                id="again"
                name="password"
                type="password"
                required
                autoComplete="current-password"
              />
            </>
          )}
          {spec.typedWord && (
            <>
              <label htmlFor="word">Type {spec.typedWord}</label>
              <input id="word" required pattern={spec.typedWord} autoComplete="off" />
            </>
          )}
          <p role="alert" className="tone-bad">
            {problem}
          </p>
          <button type="submit" disabled={isBusy} className={spec.isDanger ? "danger" : ""}>
            {isBusy ? "Sending…" : spec.button}
          </button>
        </form>
      )}
    </Dialog>
  );
}

function FieldInput({ field }: { field: Field }) {
  const { name, label, choices, value, pattern = PRICE, isRequired = false } = field;
  return (
    <div>
      <label htmlFor={name}>{label}</label>
      {choices ? (
        <select id={name} name={name} defaultValue={value}>
          {choices.map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={name}
          name={name}
          {...(pattern === PRICE ? { inputMode: "decimal" as const } : {})}
          pattern={pattern}
          defaultValue={value}
          required={isRequired}
          autoComplete="off"
        />
      )}
    </div>
  );
}

function Outcome({ result, onClose }: { result: ControlResult; onClose: () => void }) {
  const { events } = useLive();
  // A decision that came after the answer arrives on the live stream.
  const later = events.find((event) => event.causation_id === result.request_event_id);
  const decided = result.decided_by ?? (later && { event_id: later.event_id, type: later.type });
  const isRefused = result.state === "refused" || later?.type === "ControlRefused";
  const text = isRefused
    ? `Refused: ${result.reason || later?.summary || ""}`
    : decided
      ? `Effective: ${decided.type}`
      : "Requested: on the log, waiting for the desk to answer.";
  return (
    <div>
      <output className={isRefused ? "tone-bad" : decided ? "tone-good" : "tone-warning"}>
        {text}
      </output>
      <p>
        <EventLink id={result.request_event_id} onGo={onClose}>
          The request
        </EventLink>
        {decided && (
          <>
            {" · "}
            <EventLink id={decided.event_id} onGo={onClose}>
              What decided it
            </EventLink>
          </>
        )}
      </p>
      <button type="button" onClick={onClose}>
        Done
      </button>
    </div>
  );
}
