import { expect, it } from "vitest";
import { tablesOf } from "./queries";

it.each([
  ["PositionClosed", ["positions", "pnl"]],
  ["FillRecorded", ["orders"]],
  ["RiskDecided", ["signals", "limits"]],
  ["ApprovalRequested", ["approvals", "requests"]],
  ["DeliveryConfirmed", ["publications"]],
  ["TradingHalted", ["requests"]],
  ["ParametersChanged", ["limits", "parameters"]],
  ["UwPriceReceived", []],
])("%s refreshes %j", (type, tables) => expect(tablesOf(type)).toEqual(tables));
