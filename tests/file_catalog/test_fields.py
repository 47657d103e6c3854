"""Values as fields take them: what is kept, and what is refused with which words."""

from typing import Any

import pytest

from weyl.file_catalog.fields import AppliesTo, BadValue, DeclaredField, FieldType, is_reserved, value_of, values_of

DECLARED = {
    name: DeclaredField(number, name, kind, AppliesTo.BOTH)
    for number, (name, kind) in enumerate({each.value.title(): each for each in FieldType}.items(), 1)
}


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("Int", 5, 5),
        ("Int", " -7 ", -7),
        ("Int", -(1 << 63), -(1 << 63)),
        ("Float", 1, 1.0),
        ("Float", "2.5e3", 2500.0),
        ("Text", "", ""),
        ("Text", "π", "π"),
        ("Bool", True, True),
        ("Bool", "FALSE", False),
        ("Date", "2026-02-28", "2026-02-28"),
        ("Time", "2026-02-28", "2026-02-28T00:00:00Z"),
        ("Time", "2026-02-28T23:30:00.120-01:00", "2026-03-01T00:30:00.12Z"),
        ("Time", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_value_is_kept_as_its_type_has_it(kind: str, given: Any, kept: Any) -> None:
    found = value_of(DECLARED[kind], given)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("Int", 1.5),
        ("Int", "1.5"),
        ("Int", True),
        ("Int", 1 << 63),
        ("Int", "9" * 5_000),
        ("Float", float("nan")),
        ("Float", "inf"),
        ("Float", True),
        ("Float", 10**400),
        ("Text", 5),
        ("Text", "a\x00b"),
        ("Text", "\ud800"),
        ("Text", "é" * 2_049),
        ("Bool", 1),
        ("Bool", "yes"),
        ("Date", "2026-02-30"),
        ("Date", "2026-2-3"),
        ("Date", 20260203),
        ("Time", "0001-01-01T00:00:00+23:00"),
        ("Time", 5),
        ("Time", "now"),
        ("Text", ["a"]),
        ("Text", {}),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, given: Any) -> None:
    with pytest.raises(BadValue, match=f"^{kind}: "):
        value_of(DECLARED[kind], given)


def test_indexed_texts_are_shorter() -> None:
    field = DeclaredField(1, "T", FieldType.TEXT, AppliesTo.FILE, is_indexed=True)
    assert value_of(field, "é" * 512) == "é" * 512
    with pytest.raises(BadValue, match="at most 1024 bytes"):
        value_of(field, "é" * 513)


def test_only_declared_values_are_taken_where_there_are_any() -> None:
    field = DeclaredField(1, "P", FieldType.INT, AppliesTo.FILE, choices=(1, 2))
    assert value_of(field, "2") == 2
    with pytest.raises(BadValue, match="'3' is not one of its values: 1, 2"):
        value_of(field, "3")


def test_values_go_by_the_ids_of_their_fields() -> None:
    assert values_of(DECLARED, {"Int": "5", "Text": None}, on=AppliesTo.FILE) == {1: 5, 3: None}
    with pytest.raises(BadValue, match=r"There is no field 'Imt'; did you mean Int\?"):
        values_of(DECLARED, {"Imt": 5}, on=AppliesTo.FILE)
    own = {"D": DeclaredField(1, "D", FieldType.INT, AppliesTo.DIRECTORY)}
    assert values_of(own, {"D": 1}, on=AppliesTo.DIRECTORY) == {1: 1}
    with pytest.raises(BadValue, match="D is a field of directories"):
        values_of(own, {"D": 1}, on=AppliesTo.FILE)


def test_no_field_takes_the_name_of_a_parameter() -> None:
    assert is_reserved("size")
    assert is_reserved("LFN")
    assert not is_reserved("Run")
