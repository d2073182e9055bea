// Keys for the whole page: go to views, focus the search, list the keys. Nothing dangerous is on one.
import { useEffect, useState } from "react";
import { Dialog } from "../../components/ui/dialog";
import { navigate } from "../../routes/location";
import { VIEWS } from "./index";

const KEYS: readonly (readonly [string, string])[] = [
  ...VIEWS.map(([, name, key]) => [`g ${key}`, `go to ${name}`] as const),
  ["/", "search the timeline"],
  ["j k", "next and previous row"],
  ["o", "open the row"],
  ["Escape", "close"],
  ["?", "this list"],
];

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function step(by: number): void {
  const rows = Array.from(document.querySelectorAll<HTMLElement>("[data-row]"));
  const at = rows.findIndex((row) => row === document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

function openRow(): void {
  const active = document.activeElement;
  if (active instanceof HTMLElement && active.dataset["row"] !== undefined) active.click();
}

export function Shortcuts() {
  const [isOpen, setIsOpen] = useState(false);
  useEffect(() => {
    let isGoing = false;
    const onKey = (event: KeyboardEvent) => {
      if (document.querySelector("dialog[open]")) return;
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const view = VIEWS.find(([, , key]) => key === event.key);
      if (isGoing && view) navigate(view[0]);
      else if (event.key === "?") setIsOpen(true);
      else if (event.key === "j") step(1);
      else if (event.key === "k") step(-1);
      else if (event.key === "o") openRow();
      else if (event.key === "/") {
        event.preventDefault();
        const search = document.getElementById("search");
        if (search) search.focus();
        else navigate("/timeline?focus=search");
      }
      isGoing = event.key === "g";
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  if (!isOpen) return null;
  return (
    <Dialog title="Keys" onClose={() => setIsOpen(false)}>
      <dl className="pairs">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
