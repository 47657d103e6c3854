/**
 * Over the page when the login has ended, or is refused since somebody was taken out of a group: nothing that was typed
 * is lost, and the way back leads to the same address.
 */

import { Button, Group, Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { ask, denied, expired } from "@/kit/api";
import { forget, type Me, meOptions } from "@/kit/session";
import { useStore } from "@/kit/store";
import { say, sayFault } from "@/kit/toasts";
import { LoginForm } from "./Login";

export default function Expired() {
  const queries = useQueryClient();
  const why = useStore(denied);
  const here = `${window.location.pathname}${window.location.search}`;
  const close = () => {
    expired.set(false);
    denied.set(undefined);
  };
  const check = async () => {
    try {
      const now = await ask<Me>("GET", "/api/auth/web/me", { quiet: true });
      const before = queries.getQueryData(meOptions.queryKey);
      if (before && (before.vo !== now.vo || before.sub !== now.sub)) {
        // Whoever it is sees nothing of what was loaded or chosen for somebody else.
        forget();
        window.location.reload();
        return;
      }
      close();
      await queries.invalidateQueries();
      say("You are logged in again.");
    } catch (error) {
      sayFault(error, "Checking your login");
    }
  };
  return (
    <Modal
      opened
      onClose={close}
      title={why ? "You have lost access to this group" : "Your login has ended"}
      centered
    >
      {why && (
        <p className="fault" role="alert">
          {why}
        </p>
      )}
      <p>
        What you typed is still here. Log in{why && " in another group"} in{" "}
        <a href={`/login?return_to=%2F`} target="_blank" rel="noreferrer">
          another tab
        </a>{" "}
        to keep it. If you log in here, you return to this page, but text that is not submitted is lost.
      </p>
      <Group mb="md">
        <Button variant="default" onClick={() => void check()}>
          I have logged in
        </Button>
      </Group>
      <LoginForm returnTo={here} />
    </Modal>
  );
}
