from django.db import migrations

from tenants.migrating import prefix_index


class Migration(migrations.Migration):
    # Searches ask how a name or number begins, as Django writes it: UPPER(name) LIKE 'ADA%', phone LIKE '+336%'.

    dependencies = [
        ("campaigns", "0006_erasure"),
    ]

    operations = [
        prefix_index("contact_name_begins", "campaigns_contact", "upper(name)"),
        prefix_index("contact_phone_begins", "campaigns_contact", "phone"),
    ]
