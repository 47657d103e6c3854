"""What web pages show of metadata fields, and how those who own the data of a VO manage them."""

from typing import Any

from weyl.kit.views import CHOICE_OPERATORS, TEXT_OPERATORS, Action, ApiCall, Column, SortKey, View

_OWNERS_OF_FIELDS = ("ProductionManagement", "FileCatalogManagement")

FIELDS = ApiCall(method="GET", path="/api/files/fields")
"""The fields of the VO: a list of their own, and columns of the list of files."""

_TYPES = ["int", "float", "text", "bool", "date", "time"]
_HAVE = ["file", "directory", "both"]
_CHANGED: dict[str, Any] = {
    "unit": {"type": "string", "title": "Unit", "maxLength": 64},
    "values": {
        "type": "array",
        "items": {"type": "string"},
        "title": "Values",
        "description": "The allowed values; leave empty to allow any",
    },
    "help": {"type": "string", "title": "Meaning", "maxLength": 1000},
}
_INDEXED: dict[str, Any] = {
    "type": "boolean",
    "title": "Indexed",
    "description": "Makes queries by this field fast; takes space for each file that has a value.",
}


def _form(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_FIELD_COLUMNS = (
    Column(name="name", title="Field", width=180, operators=TEXT_OPERATORS),
    Column(name="type", title="Type", width=80, operators=CHOICE_OPERATORS, values=_TYPES),
    Column(
        name="on",
        title="Applies to",
        width=100,
        operators=CHOICE_OPERATORS,
        values=_HAVE,
        help="Files, directories, or both.",
    ),
    Column(name="indexed", title="Indexed", type="bool", operators=("eq",), width=90),
    Column(
        name="filled", title="Ready", type="bool", operators=("eq",), width=80, help="No: it is still being indexed."
    ),
    Column(name="unit", title="Unit", width=80),
    Column(name="values", title="Values", type="list", width=200, help="The allowed values; empty: any."),
    Column(name="help", title="Meaning", width=320),
)
_FIELD_PATH = "/api/files/fields/{name}"

METADATA_FIELDS = View(
    name="metadata-fields",
    title="Metadata fields",
    icon="tags",
    nav_group="Data",
    nav_order=30,
    nav_entry="Files",
    id_column="name",
    search=FIELDS,
    columns=_FIELD_COLUMNS,
    default_columns=tuple(column.name for column in _FIELD_COLUMNS),
    default_sort=(SortKey(parameter="name"),),
    groupings=("type", "on", "indexed"),
    actions=(
        Action(
            name="add",
            title="Add a field",
            icon="plus",
            view=True,
            call=ApiCall(
                method="POST",
                path="/api/files/fields",
                body={name: f"{{form.{name}}}" for name in ("name", "type", "on", "indexed", "unit", "values", "help")},
            ),
            needs=_OWNERS_OF_FIELDS,
            fields=_form(
                "name",
                "type",
                "on",
                name={"type": "string", "title": "Name", "minLength": 1, "maxLength": 64},
                type={"type": "string", "title": "Type", "enum": _TYPES, "default": "text"},
                on={"type": "string", "title": "Applies to", "enum": _HAVE, "default": "both"},
                indexed={**_INDEXED, "default": False},
                **_CHANGED,
            ),
            help="Name and type cannot be changed later.",
        ),
        Action(
            name="edit",
            title="Edit",
            icon="edit",
            call=ApiCall(
                method="PATCH",
                path=_FIELD_PATH,
                body={name: f"{{form.{name}}}" for name in ("indexed", "unit", "values", "help")},
            ),
            needs=_OWNERS_OF_FIELDS,
            fields=_form(
                indexed={**_INDEXED, "default": "{indexed}"},
                **{name: {**field, "default": f"{{{name}}}"} for name, field in _CHANGED.items()},
            ),
            help="Empty a field to clear it.",
        ),
        Action(
            name="delete",
            title="Delete",
            icon="trash",
            call=ApiCall(method="DELETE", path=_FIELD_PATH, query={"force": "{form.force}"}),
            needs=_OWNERS_OF_FIELDS,
            destructive=True,
            fields=_form(
                force={
                    "type": "boolean",
                    "title": "Delete even if files or directories have values",
                    "description": "Their values are lost.",
                    "default": False,
                }
            ),
            help="Files can no longer be searched by this field.",
        ),
    ),
    needs=("NormalUser", "FileCatalogManagement"),
    cli="weyl data fields list",
    doc="The metadata fields of files and directories in your VO.",
)
