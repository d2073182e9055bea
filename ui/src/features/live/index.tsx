// The live view: what we hold, what works, what is wanted, who waits, and how every part is.
import type { ReactNode } from "react";
import { ErrorBoundary } from "../../components/ui/error-boundary";
import { AlertsPanel } from "./alerts-panel";
import { ApprovalsPanel } from "./approvals-panel";
import { HealthPanels } from "./health-panels";
import { HealthStrip } from "./health-strip";
import { OrdersPanel } from "./orders-panel";
import { PnlPanel } from "./pnl-panel";
import { PositionsPanel } from "./positions-panel";
import { SignalsPanel } from "./signals-panel";

export function LivePage() {
  return (
    <>
      <h1 className="hidden">Live</h1>
      <HealthStrip />
      <div className="desk">
        <Part name="Profit and loss" className="at-pnl">
          <PnlPanel />
        </Part>
        <Part name="Positions" className="at-positions">
          <PositionsPanel />
        </Part>
        <Part name="Alerts" className="at-alerts">
          <AlertsPanel />
        </Part>
        <Part name="Orders" className="at-orders">
          <OrdersPanel />
        </Part>
        <Part name="Signals" className="at-signals">
          <SignalsPanel />
        </Part>
        <Part name="Approvals" className="at-approvals">
          <ApprovalsPanel />
        </Part>
      </div>
      <h2>Health</h2>
      <ErrorBoundary name="Health">
        <div className="grid">
          <HealthPanels />
        </div>
      </ErrorBoundary>
    </>
  );
}

function Part(props: { name: string; className: string; children: ReactNode }) {
  return (
    <div className={props.className}>
      <ErrorBoundary name={props.name}>{props.children}</ErrorBoundary>
    </div>
  );
}
