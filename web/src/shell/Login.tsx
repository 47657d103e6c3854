/** Chooses a VO and a group, and goes to the identity provider; comes back to where one was. */

import { Button, Loader, NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { DOCUMENTATION } from "@/kit/documentation";
import { Fault } from "@/kit/Panel";
import { forget, type Installation, installationOptions, loginAddress } from "@/kit/session";
import { kept } from "@/kit/store";
import { Mark } from "./Mark";

type Choice = { vo: string; group: string };

export function LoginPage() {
  const search = useSearch({ strict: false }) as { return_to?: string; error?: string };
  return (
    <main className="login">
      <div className="login-box">
        <Mark />
        <h1>Log in</h1>
        {search.error && (
          <p className="fault" role="alert">
            {search.error}
          </p>
        )}
        <LoginForm returnTo={safePath(search.return_to)} />
        <p className="faint">
          New here? Read the <a href={DOCUMENTATION}>documentation</a>.
        </p>
      </div>
    </main>
  );
}

export function LoginForm({ returnTo }: { returnTo: string }) {
  const installation = useQuery(installationOptions);
  if (installation.isPending) {
    return <Loader size="sm" aria-label="Loading the virtual organisations" />;
  }
  if (installation.isError) {
    return <Fault error={installation.error} what="The login" onRetry={() => void installation.refetch()} />;
  }
  return <Chooser installation={installation.data} returnTo={returnTo} />;
}

function Chooser({ installation, returnTo }: { installation: Installation; returnTo: string }) {
  const vos = Object.keys(installation.virtual_organizations);
  const last = kept.get<Choice>("login");
  const [vo, setVo] = useState(last && vos.includes(last.vo) ? last.vo : (vos[0] ?? ""));
  const found = installation.virtual_organizations[vo];
  const groups = Object.keys(found?.groups ?? {});
  const [chosen, setChosen] = useState(last?.group ?? "");
  const group = groups.includes(chosen) ? chosen : (found?.default_group ?? groups[0] ?? "");

  const go = () => {
    // Another person may come back than the one who was here.
    forget();
    kept.set("login", { vo, group });
    window.location.assign(loginAddress(vo, group, returnTo));
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      {vos.length > 1 && (
        <NativeSelect
          label="Virtual organisation"
          data={vos}
          value={vo}
          onChange={(e) => setVo(e.target.value)}
        />
      )}
      {groups.length > 1 && (
        <NativeSelect label="Group" data={groups} value={group} onChange={(e) => setChosen(e.target.value)} />
      )}
      <Button type="submit" fullWidth mt="md" data-autofocus>
        {vos.length > 1 ? "Log in" : `Log in to ${vo}`}
      </Button>
      <Support vo={found} />
    </form>
  );
}

function Support({ vo }: { vo?: Installation["virtual_organizations"][string] }) {
  if (!vo) {
    return null;
  }
  const { message, webpage, email } = vo.support;
  return (
    <p className="faint">
      {message} {webpage && <a href={safeLink(webpage)}>{webpage}</a>}{" "}
      {email && <a href={`mailto:${email}`}>{email}</a>}
    </p>
  );
}

function safeLink(address: string): string | undefined {
  return /^https?:\/\//.test(address) ? address : undefined;
}

/** Only a path of this server: whoever made the link must not send people elsewhere. */
export function safePath(path: string | undefined): string {
  return path?.startsWith("/") && !path.startsWith("//") && !path.includes("\\") ? path : "/";
}
