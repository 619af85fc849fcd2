"""COPY stores a value of every kind of field that our models have as Django's own `bulk_create` stores it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.test.utils import isolate_apps
from django_q.models import Task

from campaigns.models.contact import NameKeyField, ZoneFaultField
from tenants.db.copying import copy_new
from tenants.db.currency_field import CurrencyField
from tenants.db.encrypted_fields import EncryptedJSONField

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has COPY"),
]
HOSTILE = ["", "\\N", "\\", "a\tb\r\nc", "%s", "😀", "‮abc", " ", "NULL", "{1}", "'\"", "\\t"]
BITS_31, BITS_63 = 2**31 - 1, 2**63 - 1
AT = datetime(2026, 3, 1, 9, 30, 1, 123456, tzinfo=UTC)
JSON: list[Any] = [{}, [], "", 0, False, 2**70, 1.5, {"a\n": HOSTILE, "n": None, "deep": [{"x": [1, None]}]}, "\\N"]


PickledObjectField: Any = type(Task._meta.get_field("result"))


class Colour(models.TextChoices):
    RED = "red\t"


# Each kind of field, one of it, and values. None is tried with each.
KINDS: dict[type[models.Field[Any, Any]], tuple[models.Field[Any, Any], Sequence[Any]]] = {
    models.BigIntegerField: (models.BigIntegerField(null=True), [0, BITS_63, -BITS_63]),
    models.BinaryField: (models.BinaryField(null=True), [b"", b"\\x00", bytes(range(256)), memoryview(b"a\tb")]),
    models.BooleanField: (models.BooleanField(null=True), [True, False]),
    models.CharField: (models.CharField(null=True, max_length=99), [*HOSTILE, Colour.RED, 5]),
    models.DateTimeField: (
        models.DateTimeField(null=True),
        [AT, AT.astimezone(timezone(timedelta(hours=-9, minutes=-30))), datetime(1, 1, 2, tzinfo=UTC)],
    ),
    models.DecimalField: (
        models.DecimalField(null=True, max_digits=30, decimal_places=6),
        [Decimal("0.000001"), Decimal("-1E+9"), 5, Decimal("123456789012345678.123456")],
    ),
    models.EmailField: (models.EmailField(null=True), ["a\\b@example.org"]),
    models.FileField: (models.FileField(), ["a/b\\c", ""]),
    models.FloatField: (models.FloatField(null=True), [0.1, -1e300, float("inf"), 3]),
    models.ForeignKey: (
        models.ForeignKey("self", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"),
        [1, BITS_63],
    ),
    models.GenericIPAddressField: (models.GenericIPAddressField(null=True), ["127.0.0.1", "2001:db8::1"]),
    models.IntegerField: (models.IntegerField(null=True), [0, -BITS_31]),
    models.JSONField: (models.JSONField(null=True), JSON),
    models.OneToOneField: (
        models.OneToOneField("self", models.DO_NOTHING, null=True, db_constraint=False, related_name="+"),
        [1, 2],
    ),
    models.PositiveBigIntegerField: (models.PositiveBigIntegerField(null=True), [0, BITS_63]),
    models.PositiveIntegerField: (models.PositiveIntegerField(null=True), [0, BITS_31]),
    models.PositiveSmallIntegerField: (models.PositiveSmallIntegerField(null=True), [0, 32767]),
    models.SmallIntegerField: (models.SmallIntegerField(null=True), [-32768, 7]),
    models.TextField: (models.TextField(null=True), [*HOSTILE, "x" * 100_000, 5]),
    models.UUIDField: (models.UUIDField(null=True), [uuid.UUID(int=1), str(uuid.UUID(int=2))]),
    CurrencyField: (CurrencyField(null=True), ["EUR", "usd"]),
    EncryptedJSONField: (EncryptedJSONField(null=True), JSON),
    PickledObjectField: (PickledObjectField(null=True), [{"a": (1, b"\\")}, "text"]),
}
# The keys; and texts that follow from others.
COMPUTED = {models.AutoField, models.BigAutoField, ZoneFaultField, NameKeyField}


def test_each_kind_of_field_of_our_models_is_tried() -> None:
    found = {type(each) for model in apps.get_models(include_auto_created=True) for each in model._meta.concrete_fields}
    assert found == {*KINDS, *COMPUTED}


FIELDS = {kind.__name__: each for kind, each in KINDS.items()} | {
    "JSONField with an encoder": (
        models.JSONField(null=True, encoder=DjangoJSONEncoder),
        [*JSON, {"at": AT, "sum": Decimal("1.10"), "id": uuid.UUID(int=3)}],
    )
}


@pytest.fixture(params=FIELDS)
def tried(request: pytest.FixtureRequest) -> Iterator[tuple[type[models.Model], list[Any]]]:
    """A model with this field, whose table exists, and values for it."""
    field, values = FIELDS[request.param]
    with isolate_apps("tenants"):
        meta = type("Meta", (), {"app_label": "tenants", "db_table": "tried"})
        model = type("Tried", (models.Model,), {"__module__": __name__, "Meta": meta, "value": field.clone()})
        with connection.schema_editor() as editor:
            editor.create_model(model)
        yield model, [*values]


@pytest.mark.parametrize("null", [[None], []], ids=["with NULL", "without"])
def test_a_value_is_stored_as_bulk_create_stores_it(
    tried: tuple[type[models.Model], list[Any]], null: list[None]
) -> None:
    model, values = tried
    field: Any = model._meta.get_field("value")
    values, name = [*values, *(null if field.null else [])], field.attname
    rows: Any = model._default_manager
    rows.bulk_create(model(**{name: value}) for value in values)
    wanted = taken(model)
    copy_new(model, {name: values}, {})
    assert taken(model) == wanted
    for key, value in enumerate(values):  # the other way to give it
        copy_new(model, {"id": [key]}, {name: value})
    assert taken(model) == wanted


def taken(model: type[models.Model]) -> list[tuple[Any, bool]]:
    """Return the values of all rows, and whether each is NULL in its column. Delete them."""
    field: Any = model._meta.get_field("value")
    with connection.cursor() as cursor:  # Django reads a JSON null as None, too
        cursor.execute(f"SELECT {field.column} IS NULL FROM tried ORDER BY id")  # noqa: S608
        nulls = [null for (null,) in cursor.fetchall()]
    found = [getattr(row, field.attname) for row in model._default_manager.order_by("pk")]
    model._default_manager.all().delete()
    plain = [bytes(value) if isinstance(value, memoryview) else value for value in found]
    return list(zip(plain, nulls, strict=True))
