"""The types of what travels between operators."""

from pyflink.common import Row, Types

from schemas.base import WireModel

#: Frames and chunks: opaque bytes on the wire.
BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())

#: A model in its JSON form beside the key it is partitioned by.
KEYED = Types.ROW_NAMED(["key", "body"], [Types.STRING(), BYTES])


def keyed(key: str, model: WireModel) -> Row:
    """Return the `KEYED` row of a model."""
    return Row(key=key, body=model.to_bytes())


def key_of(row: Row) -> str:
    """Return the key of a `KEYED` row, for `key_by`."""
    key: str = row.key
    return key
