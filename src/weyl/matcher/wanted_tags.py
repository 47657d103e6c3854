"""Tags as the index keeps them: what an expression asks for, so that most are judged by one operation on sets."""

from weyl.task_queues import tags
from weyl.task_queues.tags import Expression

TagKey = tuple[frozenset[str], frozenset[str]]
# An expression, and if it only asks for tags, which: most do, and that is told by one operation on sets.
Wanted = tuple[frozenset[str] | None, Expression]


def tags_accept(wanted: Wanted, key: TagKey) -> bool:
    """Say whether offered tags make an expression true, and whether it asks for those that the pilot requires."""
    (asked, expression), (offered, required) = wanted, key
    if not (tags.evaluate(expression, offered) if asked is None else asked <= offered):
        return False
    return not required or all(tags.requires(expression, tag) for tag in required)


def wanted_of(expression: Expression) -> Wanted:
    """Return an expression as it is kept."""
    parts = (expression,) if expression.kind == "atom" else expression.parts if expression.kind == "and" else None
    if parts is None or any(part.kind != "atom" for part in parts):
        return None, expression
    return frozenset(part.name for part in parts), expression
