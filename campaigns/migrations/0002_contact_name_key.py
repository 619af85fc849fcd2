from django.db import migrations

import campaigns.models.contact


class Migration(migrations.Migration):
    """A column without a value: no row is written. The upkeep computes the keys (`campaigns/name_keys.py`)."""

    dependencies = [("campaigns", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="name_key",
            field=campaigns.models.contact.NameKeyField(editable=False, null=True),
        ),
    ]
