/** A part of a page that may fail alone: waiting, a fault in words, and a way to try again. */

import { Button, Loader } from "@mantine/core";
import { Component, type ReactNode, Suspense } from "react";
import { ApiFault } from "./api";

type Props = { what: string; children: ReactNode };

export class Panel extends Component<Props, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error !== undefined) {
      return (
        <Fault
          error={this.state.error}
          what={this.props.what}
          onRetry={() => this.setState({ error: undefined })}
        />
      );
    }
    return <Suspense fallback={<Waiting />}>{this.props.children}</Suspense>;
  }
}

export function Waiting({ what = "Loading" }: { what?: string }) {
  return (
    <div className="waiting" role="status">
      <Loader size="sm" aria-hidden /> {what}…<span className="slow">This is taking longer than usual.</span>
    </div>
  );
}

export function Fault({ error, what, onRetry }: { error: unknown; what: string; onRetry?: () => void }) {
  const fault = error instanceof ApiFault ? error : undefined;
  return (
    <div className="fault" role="alert">
      <strong>{what} could not be loaded.</strong>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {fault?.requestId && <p className="faint mono">request {fault.requestId}</p>}
      {onRetry && (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Nothing({ children }: { children: ReactNode }) {
  return <div className="nothing">{children}</div>;
}
