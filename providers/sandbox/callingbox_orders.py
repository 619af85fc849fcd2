"""Strict parsers for the two bodies of CallingBox's `POST /v1/calls`.

Neither body accepts the other's fields (pages of 2026-04).
"""

from __future__ import annotations

import re
from typing import Any

from providers.sandbox import callingbox_calls as calls
from providers.sandbox.forms import Form, Refused, is_zeros, reference_in
from providers.sandbox.world import Order

PROMPT_FIELDS = (
    "to", "prompt", "context", "returns", "language", "from_number", "webhook_url", "voicemail_action", "tools",
)  # fmt: skip
AGENT_FIELDS = ("agent_id", "to", "from_number", "instructions", "context", "webhook_url", "metadata")
US_NUMBER = re.compile(r"\+1[2-9]\d{9}")
# Area codes of the North American plan outside the United States. 2026-04: CallingBox calls only US numbers.
_ELSEWHERE = (
    "204 226 236 249 250 257 263 289 306 343 354 365 367 368 382 403 416 418 428 431 437 438 450 460 468 474 506 514"
    " 519 537 548 579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905"
    " 942 242 246 264 268 284 345 441 473 649 658 664 721 758 767 784 809 829 849 868 869 876"
)
ELSEWHERE = frozenset(_ELSEWHERE.split())


def _us_number(form: Form, name: str, *, required: bool = False) -> str:
    before = len(form.complaints)
    number = form.phone(name, required=required)
    if number and len(form.complaints) == before and (not US_NUMBER.fullmatch(number) or number[2:5] in ELSEWHERE):
        form.complain(name, "only US numbers are supported for now")
    return number


def prompt_order(body: dict[str, Any]) -> Order:
    form = Form(body, PROMPT_FIELDS)
    to_number, from_number = _us_number(form, "to", required=True), _us_number(form, "from_number")
    returns = form.mapping("returns")
    for name, hint in returns.items():
        if hint not in ("boolean", "string", "number"):
            form.complain(f"returns.{name}", "type must be boolean, string or number")
    form.text("language", choices=("en", "es"))
    form.text("voicemail_action", choices=("hangup", "leave_message"))
    tools = body.get("tools", [])
    if not isinstance(tools, list) or len(tools) > 16 or not all(map(_is_tool, tools)):
        form.complain("tools", "must be a list of at most 16 tools")
    extra = {
        "prompt": form.text("prompt") or "Hello from CallingBox.",
        "context": form.mapping("context"),
        "returns": returns,
        "language": body.get("language", "en"),
        "tools": tools,
    }
    return _order(form, to_number, from_number, extra, reference_in(extra["context"]))


def _is_tool(tool: Any) -> bool:
    """Return whether this is an HTTP or built-in tool with exactly the fields that the SDK lists."""
    if not isinstance(tool, dict):
        return False
    needed = {"type", "name", "description", "policy", "parameters"}
    if tool.get("type") == "http":
        needed, optional = needed | {"url"}, {"headers", "timeout_ms"}
    else:
        needed, optional = needed | {"builtin"}, {"config"}
    known = tool.get("type") in ("http", "builtin") and tool.get("policy") in ("read", "confirm_first_write")
    return known and needed <= set(tool) <= needed | optional


def agent_order(body: dict[str, Any]) -> Order:
    form = Form(body, AGENT_FIELDS)
    agent = form.text("agent_id", required=True)
    to_number, from_number = _us_number(form, "to", required=True), _us_number(form, "from_number")
    metadata = form.mapping("metadata")
    extra = {
        "agent_id": agent,
        "instructions": form.text("instructions") or calls.AGENT["instructions"],
        "context": form.mapping("context"),
        "metadata": metadata,
        "returns": calls.AGENT["returns"],
        "language": "en",
    }
    if agent and is_zeros(agent):
        raise Refused(404, f"agent {agent} not found")
    return _order(form, to_number, from_number, extra, reference_in(metadata, extra["context"]))


def _order(form: Form, to_number: str, from_number: str, extra: dict[str, Any], reference: str | None) -> Order:
    webhook_url = form.url("webhook_url")
    form.check()
    return Order(
        to_number=to_number,
        from_number=from_number or str(calls.OWN_NUMBER["e164"]),
        reference=reference,
        callback_url=webhook_url or None,
        extra=extra,
    )
