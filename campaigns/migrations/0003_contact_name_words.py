from django.db import migrations

from tenants.db.migrations_support import built_beside

HOME = "organization_id::text || '/'"


class Migration(migrations.Migration):
    """The indexes of searches by name, built while others write. Those of the version before are removed last."""

    atomic = False

    dependencies = [("campaigns", "0002_contact_name_key")]

    operations = [
        # The words of the name, each with its organization: `campaigns/name_search.py` asks by their beginnings. Every
        # search reads the list of rows that are not sorted in yet, so it is kept short.
        built_beside(
            "contact_name_words",
            "campaigns_contact USING gin (array_to_tsvector(string_to_array("
            f"{HOME} || replace(name_key, ' ', ' ' || {HOME}), ' '))) WITH (gin_pending_list_limit = 256) WHERE name_key <> ''",
        ),
        # Contacts without a key: the upkeep finds them, and searches by how their names begin.
        built_beside(
            "contact_name_unkeyed",
            "campaigns_contact (organization_id, upper(name) varchar_pattern_ops) WHERE name_key IS NULL",
        ),
        built_beside(
            "contact_name_begins", "campaigns_contact (organization_id, upper(name) varchar_pattern_ops)", removed=True
        ),
    ]
