// The live view: what we hold, what works, what is wanted, who waits, and how every part is.
import type { ComponentType } from "react";
import { ErrorBoundary } from "../../components/ui/error-boundary";
import { AlertsPanel } from "./alerts-panel";
import { ApprovalsPanel } from "./approvals-panel";
import { ExplainedPanel } from "./explained-panel";
import { HealthPanels } from "./health-panels";
import { HealthStrip } from "./health-strip";
import { LatestPanel } from "./latest-panel";
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
        <div>
          <Part name="Positions" panel={PositionsPanel} />
          <Part name="Where it comes from" panel={ExplainedPanel} />
          <Part name="Orders" panel={OrdersPanel} />
          <Part name="Signals" panel={SignalsPanel} />
        </div>
        <div>
          <Part name="Profit and loss" panel={PnlPanel} isFirst />
          <Part name="Alerts" panel={AlertsPanel} />
          <Part name="Latest events" panel={LatestPanel} />
          <Part name="Approvals" panel={ApprovalsPanel} />
        </div>
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

function Part(props: { name: string; panel: ComponentType; isFirst?: boolean }) {
  return (
    <div className={props.isFirst ? "first-on-phones" : ""}>
      <ErrorBoundary name={props.name}>
        <props.panel />
      </ErrorBoundary>
    </div>
  );
}
