"""What a client asks for when it logs in: the grammar of `scope` and what the words mean in a VO."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from weyl.auth.errors import InvalidScope
from weyl.config.registry import Organisation

WORD_BYTES_MAX = 2048


@dataclass(frozen=True)
class Scope:
    """A scope that can be granted to somebody: one VO, one of its groups, and the properties asked for beyond it."""

    vo: str
    group: str
    asked: frozenset[str]

    @property
    def text(self) -> str:
        """The scope in one form, with the group named, however it was asked for."""
        return " ".join([f"vo:{self.vo}", f"group:{self.group}", *(f"property:{name}" for name in sorted(self.asked))])


def parse_scope(text: str, *, registry: Mapping[str, Organisation], properties: Collection[str]) -> Scope:
    """Read `vo:X [group:G] [property:P ...]`, words in any order, and fill in the default group of the VO."""
    if len(text) > WORD_BYTES_MAX:
        raise InvalidScope(f"The scope is longer than {WORD_BYTES_MAX} characters")
    words: dict[str, list[str]] = {"vo": [], "group": [], "property": []}
    for word in text.split(" "):
        kind, colon, name = word.partition(":")
        if not colon or not name or kind not in words:
            raise InvalidScope(f"Unknown word in scope: {word!r}. Use vo:NAME, group:NAME and property:NAME")
        words[kind].append(name)
    vo = _only_vo(words["vo"], registry)
    group = _only_group(words["group"], vo, registry[vo])
    asked = frozenset(words["property"])
    if unknown := sorted(asked.difference(properties)):
        # In the contract's words, which its clients match.
        named = ", ".join(map(repr, unknown))
        raise InvalidScope(f"{{{named}}} are not valid properties of this installation")
    return Scope(vo, group, asked)


def _only_vo(names: list[str], registry: Mapping[str, Organisation]) -> str:
    if len(names) != 1:
        raise InvalidScope(f"A scope names exactly one VO, such as vo:{next(iter(sorted(registry)), 'NAME')}")
    (vo,) = names
    if vo not in registry:
        raise InvalidScope(f"VO {vo} is not served here; there are: {', '.join(sorted(registry))}")
    return vo


def _only_group(names: list[str], vo: str, organisation: Organisation) -> str:
    if len(names) > 1:
        raise InvalidScope("A scope names at most one group")
    group = names[0] if names else organisation.default_group
    if group not in organisation.groups:
        raise InvalidScope(
            f"Group {group} does not exist in VO {vo}; there are: {', '.join(sorted(organisation.groups))}"
        )
    return group
