from django.db import migrations, models


class Migration(migrations.Migration):
    """Another word on pages for a callback whose time has not come. The database stays as it is."""

    dependencies = [("calls", "0005_list_of_contact_notes")]

    operations = [
        migrations.AlterField(
            "callback",
            "status",
            models.CharField(
                choices=[("due", "Scheduled"), ("kept", "Kept"), ("missed", "Missed"), ("canceled", "Canceled")],
                default="due",
                max_length=8,
            ),
        ),
    ]
