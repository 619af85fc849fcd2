from django.db import migrations

from tenants.db.migrations_support import prefix_index


class Migration(migrations.Migration):
    # Searches ask how a name begins, as Django writes it: UPPER(name) LIKE 'ADA%'.

    dependencies = [
        ("campaigns", "0006_erasure"),
    ]

    operations = [
        prefix_index("contact_name_begins", "campaigns_contact", "upper(name)"),
    ]
