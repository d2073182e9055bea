// Gates and risk checks out of a payload, those that did not pass first.

export interface Condition {
  code: string;
  result: "pass" | "fail" | "unevaluable";
  measured: string;
  limit: string;
  note: string;
}

const RANK = { fail: 0, unevaluable: 1, pass: 2 } as const;

export function conditionsOf(payload: string, list: "gates" | "checks"): Condition[] {
  const body = JSON.parse(payload) as Record<string, Record<string, string>[] | undefined>;
  const rows = (body[list] ?? []).map((row) => ({
    code: row["code"] ?? "",
    result: resultOf(row["result"]),
    measured: row["measured"] ?? row["value"] ?? "",
    limit: row["threshold"] ?? row["limit"] ?? "",
    note: row["reason"] ?? row["input"] ?? "",
  }));
  return rows.toSorted((a, b) => RANK[a.result] - RANK[b.result]);
}

function resultOf(text: string | undefined): Condition["result"] {
  return text === "pass" || text === "fail" ? text : "unevaluable";
}
