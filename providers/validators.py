"""Checks of what staff and programs write about assistants and numbers. Each raises ValidationError."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError

E164 = re.compile(r"\+[1-9]\d{6,14}")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def check_e164(number: str) -> None:
    if not E164.fullmatch(number):
        raise ValidationError(f"'{number}' is not an E.164 number. Write it like +33123456789.", code="invalid")


def check_variables(declared: Any) -> None:
    """Check `[{"name", "required", "description", "default", "example"}]`. Only the name is required."""
    if not isinstance(declared, list) or not all(isinstance(item, dict) for item in declared):
        raise ValidationError('Write a list like [{"name": "slot", "required": true}].', code="invalid")
    names = [item.get("name") for item in declared]
    for item in declared:
        name = item.get("name")
        if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name):
            raise ValidationError(f"{name!r} is not a variable name: letters, digits and _, at most 64.")
        if unknown := set(item) - {"name", "required", "description", "default", "example"}:
            raise ValidationError(f"Variable '{name}': unknown field {', '.join(sorted(unknown))}.")
        if not isinstance(item.get("required", False), bool):
            raise ValidationError(f"Variable '{name}': required must be true or false.")
        if not all(isinstance(item.get(key) or "", str) for key in ("description", "default", "example")):
            raise ValidationError(f"Variable '{name}': description, default and example must be text.")
    if len(set(names)) != len(names):
        raise ValidationError("A variable is declared twice.")


OPT_OUT_FIELD = re.compile(
    r"ended_reason|provider_reason|provider_status|answered_by|result(\.[A-Za-z0-9_-]{1,64}){1,8}"
)


def check_opt_out_rules(rules: Any) -> None:
    """Check `[{"field", "equals"}]`: a field of the call's end, dotted into the structured result, and a text.

    The errors have no code: for "invalid", a form would show its own message about JSON instead.
    """
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ValidationError('Write a list like [{"field": "result.opt_out", "equals": "true"}].')
    for rule in rules:
        if set(rule) != {"field", "equals"} or not all(isinstance(text, str) and text for text in rule.values()):
            raise ValidationError("Each rule needs field and equals, both as text.")
        if not OPT_OUT_FIELD.fullmatch(rule["field"]):
            raise ValidationError(
                f"{rule['field'][:80]!r} is not a known field. Use result.NAME, ended_reason, provider_reason, "
                "provider_status or answered_by."
            )
