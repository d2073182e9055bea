// A table of rows with typed columns. On narrow screens each row becomes a card (by CSS).
import type { ReactNode } from "react";

export interface Column<T> {
  title: string;
  cell: (row: T) => ReactNode;
  numeric?: boolean;
}

interface Props<T> {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  empty: string;
  faded?: (row: T) => boolean;
}

export function Table<T>({ caption, columns, rows, id, empty, faded }: Props<T>) {
  if (rows.length === 0) return <p className="empty">{empty}</p>;
  return (
    <div className="scroll">
      <table>
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={column.numeric ? "numeric" : ""}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} className={faded?.(row) ? "faded" : ""}>
              {columns.map((column) => (
                <td
                  key={column.title}
                  data-title={column.title}
                  className={column.numeric ? "numeric" : ""}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
