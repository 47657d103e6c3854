"""Hints of extensions are one more thing that only one of them may claim."""

import pytest
from tests.cwl.test_hints import CAMERA, IRI

from weyl.activation import activate
from weyl.builtin import BUILTIN
from weyl.cwl.models.hints import NAMESPACE
from weyl.extension import Extension, ExtensionConflict


def test_two_extensions_with_one_hint_stop_the_start() -> None:
    parts = [Extension(name=name, hints={IRI: CAMERA}) for name in ("one", "two")]
    with pytest.raises(ExtensionConflict, match=f"The hint {IRI}"):
        activate([BUILTIN, *parts])


def test_a_hint_in_our_namespace_stops_the_start() -> None:
    with pytest.raises(ExtensionConflict, match="own namespace"):
        activate([BUILTIN, Extension(name="one", hints={f"{NAMESPACE}Camera": CAMERA})])


def test_hints_of_several_extensions_are_merged() -> None:
    others = {f"{IRI}2": CAMERA}
    merged = activate([BUILTIN, Extension(name="one", hints={IRI: CAMERA}), Extension(name="two", hints=others)])
    assert set(merged.hints) == {IRI, f"{IRI}2"}
