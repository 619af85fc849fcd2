"""Order a single call from a request, with the refusals of `single_calls` as errors of the API."""

from __future__ import annotations

from typing import Any

from calls.actions.single_calls import AlreadyOpen, MissingVariables, Order, Refused, place_single
from calls.gate.checks import CheckName
from calls.models import Call
from campaigns.rules.placeholders import NAME, find
from campaigns.rules.spoken import REASON
from tenants.api.errors import Conflict, RefusedByRule, detail
from tenants.api.fields import utc_text

DO_NOT_CALL = "This number is on the do-not-call list"


def warnings(call: Call) -> dict[str, Any]:
    """Return what to add to the answer: the values of the call that nobody means to speak. Empty where all are fine.

    The call is placed with these values: the program named them.
    """
    found = [
        detail(
            NAME if each.variable == NAME else f"dynamic_variables.{each.variable}",
            f"Nobody means to speak this: “{each.value[:60]}” is {each.kind.words}. It was sent as it is.",
            REASON,
        )
        for each in find(call.dynamic_variables, call.customer_name)
    ]
    return {"warnings": found} if found else {}


def place(order: Order, *, number_field: str, variables_field: str) -> Call:
    """Queue the call; it is committed when this returns. Raises Conflict, RefusedByRule."""
    try:
        return place_single(order)
    except MissingVariables as error:
        missing = [
            detail(f"{variables_field}.{name}", "The assistant requires this variable.", "required")
            for name in error.names
        ]
        raise RefusedByRule("A variable that the assistant requires is missing", missing) from error
    except AlreadyOpen as error:
        raise Conflict(str(error)) from error
    except Refused as error:
        message = DO_NOT_CALL if error.code == CheckName.DO_NOT_CALL else str(error).rstrip(".")
        why = f"{message}; next allowed {utc_text(error.until)}" if error.until else message
        raise RefusedByRule(message, [detail(number_field, why, error.code)]) from error
