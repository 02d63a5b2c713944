"""The Lua script, run by the LuaJIT that lupa brings along: Fluent Bit has it too."""

from collections.abc import Mapping
from typing import Any

from lupa.luajit21 import LuaRuntime

from tests.deploy.fluent_bit.configuration import SCRIPT

_TAG = "kube.var.log.containers.cart-5c689d88bb-qkz7n_shop_app-" + "0123456789abcdef" * 4 + ".log"
_DROPPED, _KEPT = -1, 0


class Script:
    """The functions that Fluent Bit calls for each record."""

    def __init__(self, source: str | None = None) -> None:
        self._lua = LuaRuntime(encoding="utf-8", unpack_returned_tuples=True)
        self._lua.execute(SCRIPT.read_text() if source is None else source)
        self._time = self._lua.table(sec=1_795_323_791, nsec=482_123_456)

    def call(self, function: str, record: Mapping[str, Any], tag: str = _TAG) -> list[dict[str, Any]]:
        """Return the records that come of one."""
        given = self._lua.table_from(record, recursive=True)
        code, _, result = self._lua.globals()[function](tag, self._time, given)
        if code == _DROPPED:
            return []
        if code == _KEPT:
            return [dict(record)]
        many = result[1] is not None
        return [_plain(each) for each in (result.values() if many else [result])]


def _plain(table: Any) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str | int | float | bool) else _plain(value) for key, value in table.items()
    }
