from django.db import migrations, models

from tenants.db.migrations_support import AddIndexBeside


class Migration(migrations.Migration):
    """The index of the calls of one assistant, for lists, built while others write. The old code can live with it."""

    atomic = False

    dependencies = [("calls", "0003_contact_note")]

    operations = [
        AddIndexBeside("call", models.Index(fields=["assistant", "-id"], name="call_list_assistant")),
    ]
