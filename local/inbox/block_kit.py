"""What Slack's incoming webhooks accept, and the words with which they refuse.

Limits and forms: https://docs.slack.dev/reference/block-kit/blocks and …/composition-objects/text-object; answers:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.

Known limit: of the blocks, those of alerts are known (actions, context, divider, header, image, section), and of the
elements, buttons and images; Slack takes more. Lengths are counted in characters of Unicode.
"""

from collections.abc import Callable, Mapping
from typing import Any

MAX_BLOCKS = 50
MAX_BLOCK_ID = 255
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELDS = 10
MAX_FIELD = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS = 25
MAX_BUTTON_TEXT = 75
MAX_ACTION_ID = 255
MAX_BUTTON_VALUE = 2000
MAX_URL = 3000
MAX_ALT_TEXT = 2000
MAX_IMAGE_TITLE = 2000
MAX_TEXT = 40_000

MESSAGE_KEYS = {
    *("text", "blocks", "attachments", "thread_ts", "mrkdwn", "response_type", "replace_original", "delete_original"),
    *(
        "unfurl_links",
        "unfurl_media",
        "channel",
        "username",
        "icon_emoji",
        "icon_url",
        "link_names",
        "parse",
        "metadata",
    ),
}


class RefusedError(Exception):
    """Slack would refuse the post: `status` and `code` are its answer, the message says why, which Slack does not."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.status = status
        self.code = code
        self.reason = reason


def check(payload: Any) -> None:
    """Return if Slack would take the payload, decoded from JSON.

    Raises:
        RefusedError: it would not.
    """
    if not isinstance(payload, dict):
        raise RefusedError(400, "invalid_payload", "the payload is not a JSON object")
    if unknown := payload.keys() - MESSAGE_KEYS:
        raise RefusedError(400, "invalid_payload", f"unknown: {', '.join(sorted(unknown))}")
    text, blocks = payload.get("text"), payload.get("blocks")
    if text is not None and not isinstance(text, str):
        raise RefusedError(400, "invalid_payload", "text is not a string")
    if not blocks and not (text or "").strip():
        raise RefusedError(400, "no_text", "neither text nor blocks")
    if len(text or "") > MAX_TEXT:
        raise RefusedError(400, "msg_too_long", f"text is longer than {MAX_TEXT}")
    if blocks is not None:
        _check_blocks(blocks)


def _check_blocks(blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise RefusedError(400, "invalid_blocks_format", "blocks is not a list")
    _require(len(blocks) <= MAX_BLOCKS, f"more than {MAX_BLOCKS} blocks")
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id") is not None]
    for position, block in enumerate(blocks):
        _check_block(block, f"blocks[{position}]")
    _require(len(ids) == len(set(ids)), "a block_id twice")


def _check_block(block: Any, where: str) -> None:
    _require(isinstance(block, dict), f"{where} is not an object")
    kind = block.get("type")
    _require(isinstance(kind, str) and kind in _BLOCKS, f"{where} has the unknown type {kind!r}")
    if (block_id := block.get("block_id")) is not None:
        _check_string(block_id, MAX_BLOCK_ID, f"{where}.block_id")
    _BLOCKS[kind](block, where)


def _check_header(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, {"text", "level"})
    _check_text(block.get("text"), MAX_HEADER, f"{where}.text", types={"plain_text"})


def _check_section(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, {"text", "fields", "accessory", "expand"})
    text, fields = block.get("text"), block.get("fields")
    _require(text is not None or fields is not None, f"{where} has neither text nor fields")
    if text is not None:
        _check_text(text, MAX_SECTION, f"{where}.text")
    if fields is not None:
        for position, field in enumerate(_list(fields, MAX_FIELDS, f"{where}.fields")):
            _check_text(field, MAX_FIELD, f"{where}.fields[{position}]")
    if (accessory := block.get("accessory")) is not None:
        _check_element(accessory, f"{where}.accessory", {"button", "image"})


def _check_context(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, {"elements"})
    for position, element in enumerate(_list(block.get("elements"), MAX_CONTEXT_ELEMENTS, f"{where}.elements")):
        name = f"{where}.elements[{position}]"
        if isinstance(element, dict) and element.get("type") == "image":
            _check_image_element(element, name)
        else:
            _check_text(element, MAX_SECTION, name)


def _check_actions(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, {"elements"})
    elements = _list(block.get("elements"), MAX_ACTIONS, f"{where}.elements")
    for position, element in enumerate(elements):
        _check_element(element, f"{where}.elements[{position}]", {"button"})
    ids = [element["action_id"] for element in elements if "action_id" in element]
    _require(len(ids) == len(set(ids)), f"{where} has an action_id twice")


def _check_divider(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, set())


def _check_image(block: Mapping[str, Any], where: str) -> None:
    _only(block, where, {"image_url", "alt_text", "title"})
    _check_image_element({"type": "image", **{k: v for k, v in block.items() if k in {"image_url", "alt_text"}}}, where)
    if (title := block.get("title")) is not None:
        _check_text(title, MAX_IMAGE_TITLE, f"{where}.title", types={"plain_text"})


_BLOCKS: dict[str, Callable[[Mapping[str, Any], str], None]] = {
    "actions": _check_actions,
    "context": _check_context,
    "divider": _check_divider,
    "header": _check_header,
    "image": _check_image,
    "section": _check_section,
}


def _check_element(element: Any, where: str, types: set[str]) -> None:
    _require(isinstance(element, dict), f"{where} is not an object")
    _require(element.get("type") in types, f"{where} has the type {element.get('type')!r}")
    if element["type"] == "image":
        _check_image_element(element, where)
    else:
        _check_button(element, where)


def _check_button(element: Mapping[str, Any], where: str) -> None:
    _only(element, where, {"text", "action_id", "url", "value", "style", "accessibility_label"})
    _check_text(element.get("text"), MAX_BUTTON_TEXT, f"{where}.text", types={"plain_text"})
    limits = {
        "action_id": MAX_ACTION_ID,
        "url": MAX_URL,
        "value": MAX_BUTTON_VALUE,
        "accessibility_label": MAX_BUTTON_TEXT,
    }
    for name, limit in limits.items():
        if name in element:
            _check_string(element[name], limit, f"{where}.{name}")
    if "url" in element:
        _check_url(element["url"], f"{where}.url")
    _require(element.get("style", "primary") in {"primary", "danger"}, f"{where}.style is unknown")


def _check_image_element(element: Mapping[str, Any], where: str) -> None:
    _only(element, where, {"image_url", "alt_text"})
    _check_string(element.get("image_url"), MAX_URL, f"{where}.image_url")
    _check_url(element["image_url"], f"{where}.image_url")
    _check_string(element.get("alt_text"), MAX_ALT_TEXT, f"{where}.alt_text")


def _check_text(
    text: Any, limit: int, where: str, types: frozenset[str] | set[str] = frozenset({"plain_text", "mrkdwn"})
) -> None:
    _require(isinstance(text, dict), f"{where} is not a text object")
    kind = text.get("type")
    _require(kind in types, f"{where} has the type {kind!r}")
    _only(text, where, {"text", "emoji"} if kind == "plain_text" else {"text", "verbatim"})
    _check_string(text.get("text"), limit, f"{where}.text")
    for flag in text.keys() & {"emoji", "verbatim"}:
        _require(isinstance(text[flag], bool), f"{where}.{flag} is not true or false")


def _check_string(value: Any, limit: int, where: str) -> None:
    _require(isinstance(value, str), f"{where} is not a string")
    _require(bool(value), f"{where} is empty")
    _require(len(value) <= limit, f"{where} has {len(value)} characters, {limit} are allowed")


def _check_url(value: str, where: str) -> None:
    _require(value.startswith(("http://", "https://", "slack://", "mailto:")), f"{where} is not a URL")


def _list(value: Any, limit: int, where: str) -> list[Any]:
    _require(isinstance(value, list) and bool(value), f"{where} is not a list with elements")
    _require(len(value) <= limit, f"{where} has {len(value)} elements, {limit} are allowed")
    elements: list[Any] = value
    return elements


def _only(value: Mapping[str, Any], where: str, known: set[str]) -> None:
    unknown = value.keys() - known - {"type", "block_id"}
    _require(not unknown, f"{where} has the unknown {', '.join(sorted(map(str, unknown)))}")


def _require(condition: bool, reason: str) -> None:  # noqa: FBT001 - the condition is all this is about
    if not condition:
        raise RefusedError(400, "invalid_blocks", reason)
