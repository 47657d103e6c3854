"""Changes of the configuration document as functions: a document and a wish in, a new document out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from weyl.config.drivers.git import FILE_NAME, Author, GitRepository
from weyl.config.errors import AlreadyConfigured, NotConfigured
from weyl.config.source import parse_config

Document = dict[str, Any]


def empty_document() -> Document:
    """Return the smallest configuration there is: no VO yet."""
    return {"DIRAC": {"NoSetup": False}, "Registry": {}, "Operations": {}, "Resources": {}}


def with_vo(document: Document, vo: str, *, default_group: str, idp_url: str, idp_client_id: str) -> Document:
    """Add a VO whose default group holds what ordinary members need."""
    registry = document.get("Registry") or {}
    if vo in registry:
        raise AlreadyConfigured(f"The VO {vo} is configured already")
    organisation = {
        "IdP": {"URL": idp_url, "ClientID": idp_client_id},
        "DefaultGroup": default_group,
        "Users": {},
        "Groups": {default_group: {"Properties": ["NormalUser"], "Users": []}},
    }
    return document | {"Registry": registry | {vo: organisation}}


def with_group(document: Document, vo: str, *, group: str, properties: Sequence[str]) -> Document:
    """Add a group without members."""
    organisation = _organisation(document, vo)
    groups = organisation.get("Groups") or {}
    if group in groups:
        raise AlreadyConfigured(f"The VO {vo} has a group {group} already")
    added = {group: {"Properties": sorted(set(properties)), "Users": []}}
    return _with_organisation(document, vo, organisation | {"Groups": groups | added})


def with_user(
    document: Document, vo: str, *, subject: str, preferred_username: str, groups: Sequence[str] = ()
) -> Document:
    """Add a member, to the default group of the VO if no group is named."""
    organisation = _organisation(document, vo)
    users = organisation.get("Users") or {}
    if subject in users:
        raise AlreadyConfigured(f"The VO {vo} has a user with the subject {subject} already")
    known = organisation.get("Groups") or {}
    wanted = list(dict.fromkeys(groups)) or [organisation["DefaultGroup"]]
    if missing := [group for group in wanted if group not in known]:
        raise NotConfigured(f"The VO {vo} has no group {missing[0]}; it has {', '.join(known) or 'none'}")
    joined = {group: known[group] | {"Users": [*(known[group].get("Users") or []), subject]} for group in wanted}
    added = {subject: {"PreferedUsername": preferred_username}}
    return _with_organisation(document, vo, organisation | {"Users": users | added, "Groups": known | joined})


def _organisation(document: Document, vo: str) -> Document:
    registry = document.get("Registry") or {}
    if vo not in registry:
        raise NotConfigured(f"There is no VO {vo}; configured are {', '.join(registry) or 'none'}")
    organisation: Document = registry[vo]
    return organisation


def _with_organisation(document: Document, vo: str, organisation: Document) -> Document:
    return document | {"Registry": document["Registry"] | {vo: organisation}}


def render(document: Document) -> str:
    """Return the document as YAML, after making sure that it is a configuration."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    parse_config(text)
    return text


async def create_repository(url: str, *, author: Author) -> str:
    """Make a repository with an empty configuration; returns its first commit."""
    repository = GitRepository(url, mirror=None)
    if (repository.directory / FILE_NAME).exists():
        raise AlreadyConfigured(f"{repository.directory} holds a configuration already")
    await repository.create()
    return await repository.write(render(empty_document()), message="Start the configuration", author=author)


async def change_repository(url: str, change: Callable[[Document], Document], *, message: str, author: Author) -> str:
    """Apply a change to the newest configuration and commit it; returns the commit."""
    repository = GitRepository(url, mirror=None)
    _, text = await repository.read(await repository.head())
    document = await asyncio.to_thread(yaml.safe_load, text)
    return await repository.write(render(change(document)), message=message, author=author)
