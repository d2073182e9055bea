// The live view: what we hold, what works, what is wanted, who waits, and how every part is.
import { ErrorBoundary } from "../../components/ui/error-boundary";
import { AlertsPanel } from "./alerts-panel";
import { ApprovalsPanel } from "./approvals-panel";
import { HealthPanels } from "./health-panels";
import { OrdersPanel } from "./orders-panel";
import { PnlPanel } from "./pnl-panel";
import { PositionsPanel } from "./positions-panel";
import { SignalsPanel } from "./signals-panel";

export function LivePage() {
  return (
    <>
      <h1 className="hidden">Live</h1>
      <div className="grid">
        <ErrorBoundary name="Positions">
          <PositionsPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Profit and loss">
          <PnlPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Alerts">
          <AlertsPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Orders">
          <OrdersPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Signals">
          <SignalsPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Approvals">
          <ApprovalsPanel />
        </ErrorBoundary>
        <ErrorBoundary name="Health">
          <HealthPanels />
        </ErrorBoundary>
      </div>
    </>
  );
}
