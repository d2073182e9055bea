// The log-in form.
import { useEffect, useState, type FormEvent } from "react";
import { ApiError, login, modeOfDesk } from "../../api/client";
import type { SessionInfo } from "../../api/types";

interface Props {
  onLogin: (session: SessionInfo) => void;
  /** The session before ended by itself. */
  isOver: boolean;
}

export function Login({ onLogin, isOver }: Props) {
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [mode, setMode] = useState("");
  useEffect(() => {
    // Without an answer the form says nothing of it; the page behind it does.
    modeOfDesk().then(setMode, () => undefined);
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setIsBusy(true);
    setProblem("");
    try {
      onLogin(await login(String(given.get("name")), String(given.get("password"))));
    } catch (error) {
      const detail = error instanceof ApiError ? `${error.message}; ${error.remedy}` : String(error);
      setProblem(detail);
      setIsBusy(false);
    }
  };
  return (
    <main className="login">
      <h1>
        Striketape {mode && <span className={`mode mode-${mode}`}>{mode.toUpperCase()}</span>}
      </h1>
      {isOver && <output className="tone-warning">The session is over: log in again.</output>}
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor="name">Name</label>
        <input id="name" name="name" autoComplete="username" required defaultValue="operator" />
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
        />
        <button type="submit" disabled={isBusy}>
          {isBusy ? "Checking…" : "Log in"}
        </button>
        <p role="alert" className="tone-bad">
          {problem}
        </p>
      </form>
      <p>
        <a href="/halt">Emergency halt</a> works without this page.
      </p>
    </main>
  );
}
