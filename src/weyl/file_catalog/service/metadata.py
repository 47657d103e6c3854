"""Values of files, as registration and later changes put them."""

from collections.abc import Sequence

from weyl.file_catalog.fields import Typed
from weyl.file_catalog.queries import metadata as queries
from weyl.kit import json
from weyl.kit.db import Tx


async def put_values(tx: Tx, values: Sequence[tuple[int, Typed]]) -> None:
    """Set values of files, each as `fields.values_of` returns them; None takes a value away.

    Two statements at most, and none where there are no values.
    """
    every = [(file_id, field_id, value) for file_id, typed in values for field_id, value in typed.items()]
    put = [(file_id, field_id, json.dumps_text(value)) for file_id, field_id, value in every if value is not None]
    taken = [(file_id, field_id) for file_id, field_id, value in every if value is None]
    if put:
        await queries.put_values(tx, put)
    if taken:
        await queries.take_values(tx, taken)
