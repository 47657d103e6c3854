/** Who is logged in: another group, the theme, the end of the login. */

import { Menu, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import {
  IconBook,
  IconChevronDown,
  IconDeviceDesktop,
  IconLogout,
  IconMoon,
  IconSun,
  IconUser,
} from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { request } from "@/kit/api";
import { DOCUMENTATION } from "@/kit/documentation";
import { changePreferences } from "@/kit/preferences";
import { forget, useMe } from "@/kit/session";
import { sayFault } from "@/kit/toasts";

export function UserMenu() {
  const me = useMe();
  const queries = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  if (!me) {
    return null;
  }
  const choices = Object.entries(me.groups).flatMap(([vo, groups]) =>
    Object.keys(groups).map((group) => ({ vo, group, isNow: vo === me.vo && group === me.group })),
  );

  const switchTo = async (vo: string, group: string) => {
    try {
      await request("POST", "/api/auth/web/switch", { body: { vo, group }, quiet: true });
      forget();
      window.location.reload();
    } catch (error) {
      sayFault(error, `Switching to ${group}`);
    }
  };
  const logOut = async () => {
    try {
      await request("POST", "/api/auth/web/logout", { quiet: true });
    } catch (error) {
      sayFault(error, "Logging out");
      return;
    }
    forget();
    queries.clear();
    window.location.assign("/login");
  };
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <UnstyledButton className="user">
          <IconUser size={18} />
          <span>
            <b>{me.preferred_username}</b>{" "}
            <span className="faint">
              {me.vo} · {me.group}
            </span>
          </span>
          <IconChevronDown size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.length > 1 && (
          <>
            <Menu.Label>Switch to</Menu.Label>
            {choices.map(({ vo, group, isNow }) => (
              <Menu.Item key={`${vo}/${group}`} disabled={isNow} onClick={() => void switchTo(vo, group)}>
                {vo} · {group} {isNow && <span className="faint">now</span>}
              </Menu.Item>
            ))}
            <Menu.Divider />
          </>
        )}
        <Menu.Label>Theme</Menu.Label>
        {(
          [
            ["auto", "System", IconDeviceDesktop],
            ["light", "Light", IconSun],
            ["dark", "Dark", IconMoon],
          ] as const
        ).map(([scheme, title, Shape]) => (
          <Menu.Item
            key={scheme}
            leftSection={<Shape size={16} />}
            aria-current={colorScheme === scheme || undefined}
            onClick={() => {
              setColorScheme(scheme);
              changePreferences({ theme: scheme });
            }}
          >
            {title} {colorScheme === scheme && <span className="faint">now</span>}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item component="a" href={DOCUMENTATION} leftSection={<IconBook size={16} />}>
          Documentation
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void logOut()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
