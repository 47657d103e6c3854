/** Takes files and folders that are dropped on the page, with all that is in them. */

import { type DragEvent, useState } from "react";
import { sayFault } from "@/kit/toasts";
import { type Chosen, droppedIn } from "./choosing";

export function useDropped(onDrop: (files: Chosen[]) => void, isSending: boolean) {
  const [isOver, setOver] = useState(false);
  // Whatever the page is doing: a file that nobody takes would be opened in its place.
  const take = (event: DragEvent, isNowOver: boolean) => {
    const hasFiles = event.dataTransfer.types.includes("Files");
    if (hasFiles) {
      event.preventDefault();
      setOver(isNowOver && !isSending);
    }
    return hasFiles && !isSending;
  };
  const handlers = {
    onDragOver: (event: DragEvent) => void take(event, true),
    onDragLeave: (event: DragEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) {
        setOver(false);
      }
    },
    onDrop: (event: DragEvent) => {
      if (take(event, false)) {
        droppedIn(event.dataTransfer).then(onDrop, (error: unknown) =>
          sayFault(error, "Reading the dropped files"),
        );
      }
    },
  };
  return { isOver, handlers };
}
