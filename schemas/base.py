"""The base of every model that travels between operators or lies in state."""

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """An immutable model with one compact JSON form.

    State and network carry this JSON and never a pickle, so that a savepoint outlives a change of the
    class: an unknown field is ignored, a new field needs a default.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_bytes(self) -> bytes:
        """Return the model as UTF-8 JSON without white space; unset optional fields are left out."""
        return self.model_dump_json(exclude_none=True).encode()
