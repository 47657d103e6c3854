"""What the jobs of one description differ in: each different value is read once, however many jobs have it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from weyl.descriptions import parametric
from weyl.descriptions.description import FIELDS, Description, value_of
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import Expansion, Filled

T = TypeVar("T")


def variants(expansion: Expansion, document: Document, names: Sequence[str]) -> tuple[list[Document], list[int]]:
    """Return the distinct forms that the attributes `names` take among the jobs, and for each job which it is.

    Attributes without placeholders are left out, so a description in which none varies has one empty form.
    """
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


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one document: the first of them in full, and in which attributes others may differ from it."""

    document: Document
    expansion: Expansion | None
    first: Description
    varying: frozenset[str]

    @classmethod
    def of(cls, document: Document, expansion: Expansion | None) -> "Jobs":
        """Read the first job; raises `BadAttribute`."""
        if expansion is None:
            return cls(document, None, Description.read(document), frozenset())
        varying = parametric.varying(document, document)
        filled = parametric.fill_some(document, varying, next(expansion.parameters()), "%j")
        return cls(document, expansion, Description.read(document | filled), frozenset(varying))

    def each(self, name: str, make: Callable[[Any], T]) -> list[T]:
        """Return what `make` says of an attribute: one answer if it is the same in all jobs, else one a job."""
        if self.expansion is None or name not in self.varying:
            return [make(getattr(self.first, FIELDS[name].field))]
        forms, which = variants(self.expansion, self.document, [name])
        answers = [make(value_of(form[name], name)) for form in forms]
        return answers if len(answers) == 1 else [answers[form] for form in which]

    def forms(self, names: Sequence[str]) -> list[Description]:
        """Return a description for each different filling that the attributes `names` get, the first job's first.

        Each says of these attributes what its jobs have, and of all others what the first job has.
        """
        if self.expansion is None or self.varying.isdisjoint(names):
            return [self.first]
        forms, _ = variants(self.expansion, self.document, names)
        return [self.first.changed(form) for form in forms]
