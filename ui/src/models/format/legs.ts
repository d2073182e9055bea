// Legs of a structure, shorter: what all legs share is said once.

const LEG = /^([+-])(\d+) (\S+) (\d{4}-\d\d-\d\d) (\S+)$/;

/** `+1 QQQ 2026-10-06 744C` and `-1 QQQ 2026-10-06 750C` as `+744C −750C 10-06`. */
export function legsText(legs: readonly string[]): string {
  const read = legs.map((leg) => LEG.exec(leg));
  const expiry = read[0]?.[4];
  if (read.some((leg) => leg === null || leg[4] !== expiry) || !expiry) return legs.join(" / ");
  const shown = read.map((leg) => {
    const [, sign = "", ratio = "", , , strike = ""] = leg ?? [];
    return `${sign === "-" ? "−" : "+"}${ratio === "1" ? "" : `${ratio}×`}${strike}`;
  });
  return `${shown.join(" ")} ${expiry.slice(5)}`;
}
