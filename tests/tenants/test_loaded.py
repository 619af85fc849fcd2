"""Rows that are made without the checks of Django's models are the rows that Django makes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from calls.models import Call, CallEvent, event_of
from campaigns.models import Contact, Recipient
from tenants.db.loaded import like, relate
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db


def fields(row: Call | CallEvent) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_new_row_like_another_is_what_the_model_makes(organization: Organization) -> None:
    number = support.reach(organization, "http://127.0.0.1:9", "callingbox")
    contact = Contact.objects.create(organization=organization, phone="+33612345678")
    blank = Call(organization=organization)
    made, other = (like(blank, to_number="+33612345678") for _ in range(2))
    for call in (made, other):
        relate(call, contact=contact, account=number.account, phone_number=number)
    usual = Call(
        organization=organization, contact=contact, account=number.account, phone_number=number, to_number=contact.phone
    )
    for name in ("uuid", "reference", "callback_token", "created_at", "due_at"):
        values = [getattr(call, name) for call in (blank, made, other, usual)]
        assert len(set(values)) == 4 or name.endswith("_at")
        assert len({type(value) for value in values}) == 1
        usual_value, new = getattr(usual, name), getattr(made, name)
        setattr(usual, name, new)
        assert not name.endswith("_at") or abs(usual_value - new) < timedelta(minutes=1)
    assert fields(made) == fields(usual)
    made.metadata["a"] = made.dynamic_variables["a"] = "b"
    assert (other.metadata, blank.metadata, other.dynamic_variables) == ({}, {}, {})
    assert made._state.adding and made.contact is contact and blank._state.fields_cache.keys() == {"organization"}


def test_an_event_is_what_the_model_makes() -> None:
    made = event_of(7, "status", CallEvent.Source.READ, "é" * 3000, "placed", "dialing", b"raw")
    usual = CallEvent(
        call_id=7, at=made.at, type="status", source="read", detail="é" * 2000, from_status="placed",
        to_status="dialing", raw=b"raw", raw_size=3,
    )  # fmt: skip
    assert fields(made) == fields(usual) and made._state.adding


def test_a_loaded_row_is_what_django_loads(organization: Organization) -> None:
    Contact.objects.create(organization=organization, phone="+33612345678", variables={"a": "b"})
    [contact] = Contact.objects.only("phone")
    assert contact.get_deferred_fields() >= {"name", "variables"}
    assert (contact.variables, contact.phone, contact._state.adding) == ({"a": "b"}, "+33612345678", False)
    contact.name = "Ada"
    contact.save()
    assert Contact.objects.get().name == "Ada"


def test_a_claim_changes_no_index_of_the_recipients() -> None:
    """It counts an attempt. An index with that column would make PostgreSQL write each index of the row anew."""
    for index in Recipient._meta.indexes:
        assert "attempts" not in [*index.fields, *str(index.condition).split("'")], index.name
