from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.spoken import Preview, Rule, preview
from campaigns.rules.variables import complete, faults, resolve, used, values_for
from tests.tables import cases

ZOE = SimpleNamespace(name="Zoé", phone="+33123456789", external_id="", variables={"slot": "9:30", "empty": " "})


@cases(
    ("template", "expected"),
    [
        ("Main street", "Main street"),
        ("", ""),
        ("{{ contact.name }}", "Zoé"),
        ("{{contact.name}} at {{ contact.variables.slot }}", "Zoé at 9:30"),
        ("{{ contact.phone }}", "+33123456789"),
        ("{{ contact.external_id }}", ""),
        ('{{ contact.external_id|default:"none" }}', "none"),
        ('{{ contact.variables.missing | default : "noon" }}', "noon"),
        ('{{ contact.variables.empty|default:"noon" }}', "noon"),
        ('{{ contact.variables.slot|default:"noon" }}', "9:30"),
        ('{{ contact.variables.missing|default:"" }}', ""),
        ('{{ contact.variables.missing|default:"}}" }}', "}}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("100 % {% if %}", "100 % {% if %}"),
    ],
)
def test_a_template_resolves_to_text(template: str, expected: str) -> None:
    assert faults({"v": template}) == {}
    assert resolve({"v": template}, ZOE) == {"v": expected}


@cases(
    "template",
    [
        "{{ contact }}",
        "{{ contact.pk }}",
        "{{ contact.organization.webhook_secret }}",
        "{{ contact.variables }}",
        "{{ contact.variables.a.b }}",
        "{{ contact.variables.9 }}",
        "{{ contact.name|upper }}",
        "{{ contact.name|default:noon }}",
        "{{ contact.name|default:'noon' }}",
        "{{ contact.name",
        "{{ }}",
        "{{{{ contact.name }}",
        "{{ 'x'*100000000 }}",
        "{{ Contact.name }}",
    ],
)
def test_what_is_not_understood_is_a_fault_that_names_the_variable_and_what_is_allowed(template: str) -> None:
    found = faults({"fine": "text", "slot": template})
    assert list(found) == ["slot"]
    assert "'slot'" in found["slot"]
    assert "{{ contact.variables.NAME }}" in found["slot"]


@pytest.mark.parametrize("templates", [None, [], "text", 3, {f"v{n}": "" for n in range(65)}])
def test_only_an_object_of_at_most_64_texts_is_accepted(templates: object) -> None:
    assert "variables" in faults(templates)


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "é", "a" * 65])
def test_a_bad_name_is_a_fault(name: str) -> None:
    assert name in faults({name: "text"})


@pytest.mark.parametrize("value", [None, 3, ["x"], {"a": "b"}, "x" * 5000])
def test_a_value_that_is_not_a_short_text_is_a_fault(value: object) -> None:
    assert "v" in faults({"v": value})


@given(st.text())
def test_a_value_of_a_contact_is_never_evaluated(value: str) -> None:
    contact = SimpleNamespace(name=value, phone="", external_id="", variables={"x": "{{ contact.phone }}"})
    assert resolve({"v": "{{ contact.variables.x }}"}, contact) == {"v": "{{ contact.phone }}"}
    if value.strip():
        assert resolve({"v": "{{ contact.name }}"}, contact) == {"v": value}


def test_the_variables_a_campaign_uses_are_known() -> None:
    assert used({"a": "{{ contact.variables.slot }} {{ contact.name }}", "b": "{{contact.variables.city}}"}) == {
        "slot",
        "city",
    }


def test_declared_defaults_are_filled_in_and_missing_ones_named() -> None:
    declared: list[dict[str, Any]] = [
        {"name": "slot", "required": True},
        {"name": "clinic", "required": True, "default": "Main street"},
        {"name": "note", "default": "none"},
        {"name": "doctor", "required": True},
        {"name": "room"},
    ]
    full, missing = complete(declared, {"slot": " ", "doctor": "Ada", "note": "", "extra": "kept"})
    assert full == {"slot": " ", "doctor": "Ada", "clinic": "Main street", "note": "none", "extra": "kept"}
    assert missing == ["slot"]


def test_a_preview_says_where_each_value_comes_from_and_what_is_missing() -> None:
    declared: list[dict[str, Any]] = [
        {"name": "slot", "required": True},
        {"name": "clinic", "required": True, "default": "Main street"},
        {"name": "doctor", "required": True},
        {"name": "empty", "default": "none"},
        {"name": "room"},
    ]
    templates = {"greeting": "Hello {{ contact.name }}", "doctor": "{{ contact.variables.doctor }}", "empty": ""}
    assert preview(templates, declared, ZOE, Rule.HOLD) == [
        Preview("clinic", "Main street", "default", True, False, ""),
        Preview("doctor", "", "", True, True, ""),
        Preview("empty", "none", "default", False, False, ""),
        Preview("greeting", "Hello Zoé", "campaign", False, False, ""),
        Preview("room", "", "", False, False, ""),
        Preview("slot", "9:30", "contact", True, False, ""),
    ]
    assert preview(templates, declared, ZOE, Rule.HOLD)[0].as_json() == {
        "name": "clinic",
        "value": "Main street",
        "source": "default",
        "required": True,
        "missing": False,
        "placeholder": "",
    }


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", " ", "x", "{{ contact.variables.a }}"])),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", " ", "y"])),
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from("abcd"), "required": st.booleans(), "default": st.sampled_from(["", "z"])}
        ),
        unique_by=lambda item: item["name"],
    ),
)
def test_a_preview_shows_the_values_that_the_call_carries(
    templates: dict[str, str], own: dict[str, str], declared: list[dict[str, Any]]
) -> None:
    contact = SimpleNamespace(name="", phone="", external_id="", variables=own)
    full, missing = values_for(templates, declared, contact)
    shown = preview(templates, declared, contact, Rule.HOLD)
    assert {item.name: item.value for item in shown if item.name in full} == full
    assert [item.name for item in shown if item.missing] == sorted(missing)
    assert all(bool(item.source) == bool(item.value.strip()) for item in shown)
