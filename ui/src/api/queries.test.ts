import { expect, it } from "vitest";
import { tablesOf } from "./queries";

it.each([
  ["PositionClosed", ["positions", "pnl"]],
  ["FillRecorded", ["orders"]],
  ["RiskDecided", ["signals"]],
  ["ApprovalRequested", ["approvals", "requests"]],
  ["DeliveryConfirmed", ["publications"]],
  ["TradingHalted", ["requests"]],
  ["UwPriceReceived", []],
])("%s refreshes %j", (type, tables) => expect(tablesOf(type)).toEqual(tables));
