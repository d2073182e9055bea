// Lengths of time as people read them.

export function durationText(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "";
  const sign = milliseconds < 0 ? "-" : "";
  const length = Math.abs(milliseconds);
  if (length < 1_000) return `${sign}${Math.round(length)} ms`;
  if (length < 60_000) return `${sign}${(length / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(length / 60_000);
  const seconds = Math.floor((length % 60_000) / 1_000);
  if (minutes < 60) return `${sign}${minutes} min ${seconds} s`;
  return `${sign}${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
