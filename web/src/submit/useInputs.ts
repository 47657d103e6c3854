/** The chosen files as the page has them: what is wrong with them, and the sandbox that they will be. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { components } from "@/generated/api";
import { ask } from "@/kit/api";
import { useStore } from "@/kit/store";
import { chosenFiles, type Packed, packed, tooLarge } from "./inputs";

type Rules = components["schemas"]["SandboxRules"];
type Outcome = { of: readonly File[]; packed?: Packed; problem?: string };

export type Inputs = {
  files: readonly File[];
  bytesMax: number | undefined;
  /** Why they cannot be submitted. */
  problem: string | undefined;
  packed: Packed | undefined;
  /** The name that the sandbox will have. */
  reference: string | undefined;
  isReady: boolean;
  error: unknown;
  retry: () => void;
};

export function useInputs(mayUpload: boolean): Inputs {
  const files = useStore(chosenFiles);
  const rules = useQuery({
    queryKey: ["sandbox-rules"],
    enabled: mayUpload,
    queryFn: ({ signal }) => ask<Rules>("GET", "/api/jobs/sandbox/rules", { signal }),
  });
  const bytesMax = rules.data?.bytes_max;
  const isLarge = bytesMax === undefined ? undefined : tooLarge(files, bytesMax);
  const outcome = usePacked(files, bytesMax !== undefined && isLarge === undefined);
  const reference =
    rules.data && outcome?.packed && `${rules.data.area}sha256:${outcome.packed.checksum}.tar.zst`;
  return {
    files,
    bytesMax,
    problem: isLarge ?? outcome?.problem,
    packed: outcome?.packed,
    reference,
    isReady: files.length === 0 || reference !== undefined,
    error: files.length > 0 ? rules.error : undefined,
    retry: () => void rules.refetch(),
  };
}

/** Pack the files as soon as they are chosen: what cannot be read is said before anything is submitted. */
function usePacked(files: readonly File[], isWanted: boolean): Outcome | undefined {
  const [outcome, setOutcome] = useState<Outcome>();
  useEffect(() => {
    if (!isWanted || files.length === 0) {
      setOutcome(undefined);
      return;
    }
    let isLeft = false;
    packed(files)
      .then((done) => ({ of: files, packed: done }))
      .catch((error: unknown) => ({
        of: files,
        problem: error instanceof Error ? error.message : String(error),
      }))
      .then((found) => isLeft || setOutcome(found));
    return () => {
      isLeft = true;
    };
  }, [files, isWanted]);
  return outcome?.of === files && isWanted ? outcome : undefined;
}
