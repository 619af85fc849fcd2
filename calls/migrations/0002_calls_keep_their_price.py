"""Calls keep the price of their claim, so that an account's later price or currency changes nothing of them."""

from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def keep_the_price_of_calls_in_flight(apps: Any, schema_editor: Any) -> None:
    """Give calls that money is set aside for the account's price of now. Others have their costs and their currency."""
    accounts = apps.get_model("providers", "ProviderAccount").objects.filter(pk=OuterRef("account"))
    calls = apps.get_model("calls", "Call").objects.using(schema_editor.connection.alias)
    calls.filter(cost_reserved__gt=0).update(
        price_per_minute=Subquery(accounts.values("price_per_minute")[:1]),
        price_per_minute_currency=Subquery(accounts.values("price_per_minute_currency")[:1]),
    )


class Migration(migrations.Migration):
    dependencies = [("calls", "0001_initial"), ("providers", "0001_initial")]

    # Without a new version of any row. Code of before inserts calls without these columns, and goes on.
    operations = [
        migrations.AddField("call", "price_per_minute", models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True)),
        migrations.AddField("call", "price_per_minute_currency", models.CharField(blank=True, db_default="", default="", max_length=3)),
        migrations.RunPython(keep_the_price_of_calls_in_flight, migrations.RunPython.noop),
    ]
