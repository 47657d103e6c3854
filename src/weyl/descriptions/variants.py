"""What the jobs of one description differ in: each different value once, however many jobs have it."""

from collections.abc import Sequence

from weyl.descriptions import parametric
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import Expansion, Filled
from weyl.descriptions.rows import Rows

Differences = Expansion | Rows
"""What the jobs of one description differ in."""


def variants(expansion: Differences, document: Document, names: Sequence[str]) -> tuple[list[Document], list[int]]:
    """Return the distinct forms that the attributes `names` take among the jobs, and for each job which it is.

    Attributes in which no jobs differ are left out, so a description in which none varies has one empty form.
    """
    if isinstance(expansion, Rows):
        return expansion.variants(names)
    varying = {name: document[name] for name in names if parametric.varies(document.get(name))}
    if not varying:
        return [{}], [0] * expansion.count
    texts = list(dict.fromkeys(text for value in varying.values() for text in parametric.texts_in(value)))
    if expansion.count * sum(map(expansion.longest, texts)) > parametric.FILLED_TOTAL_MAX:
        raise BadAttribute(next(iter(varying)), "is too long to differ in that many jobs: submit fewer at a time")
    forms: dict[tuple[Filled, ...], int] = {}
    which: list[int] = []
    for filled in zip(*(expansion.texts(text) for text in texts), strict=True):
        which.append(forms.setdefault(filled, len(forms)))
    documents = []
    for filled in forms:
        replacement = dict(zip(texts, filled, strict=True))
        documents.append({name: parametric.mapped(value, replacement.__getitem__) for name, value in varying.items()})
    return documents, which
