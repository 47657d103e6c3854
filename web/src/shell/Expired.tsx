/** Over the page when the login has ended: nothing that was typed is lost, and the way back leads to the same address. */

import { Button, Group, Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { expired, request } from "@/kit/api";
import { say, sayFault } from "@/kit/toasts";
import { LoginForm } from "./Login";

export default function Expired() {
  const queries = useQueryClient();
  const here = `${window.location.pathname}${window.location.search}`;
  const check = async () => {
    try {
      await request("GET", "/api/auth/web/me", { quiet: true });
      expired.set(false);
      await queries.invalidateQueries();
      say("You are logged in again.");
    } catch (error) {
      sayFault(error, "Looking for a login");
    }
  };
  return (
    <Modal opened onClose={() => expired.set(false)} title="Your login has ended" centered>
      <p>
        What you typed is still here. Log in in{" "}
        <a href={`/login?return_to=%2F`} target="_blank" rel="noreferrer">
          another tab
        </a>{" "}
        and then go on, or log in here: you come back to this address, but what is not sent yet is lost.
      </p>
      <Group mb="md">
        <Button variant="default" onClick={() => void check()}>
          I have logged in, go on
        </Button>
      </Group>
      <LoginForm returnTo={here} />
    </Modal>
  );
}
