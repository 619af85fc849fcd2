import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    # Nothing has written an alert before this: the table is empty.

    dependencies = [
        ('tenants', '0002_rules'),
    ]

    operations = [
        migrations.AddField(
            model_name='alert',
            name='uuid',
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='id'),
        ),
    ]
