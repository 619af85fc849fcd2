from django.db import migrations, models

from tenants.db.migrations_support import AddIndexBeside


class Migration(migrations.Migration):
    """The index of an organization's notes, for the API's list, built while others write."""

    atomic = False

    dependencies = [("calls", "0004_calls_of_an_assistant")]

    operations = [
        AddIndexBeside("contactnote", models.Index(fields=["organization", "-id"], name="contact_note_list")),
    ]
