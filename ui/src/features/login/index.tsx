// The log-in form.
import { useState, type FormEvent } from "react";
import { ApiError, login } from "../../api/client";
import type { SessionInfo } from "../../api/types";

export function Login({ onLogin }: { onLogin: (session: SessionInfo) => void }) {
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
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
      <h1>Striketape</h1>
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
