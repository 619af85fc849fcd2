"""List what stands in the way of spreading the tables over several databases by organization.

python -m benchmarks.sharding

A distributed PostgreSQL such as Citus keeps all rows of an organization together. It needs the organization's column in
every unique index and in every foreign key between such tables. docs/scaling.md has the list; a test compares the two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import django
from django.apps import apps
from django.db.models import Model, UniqueConstraint

OURS = ("tenants", "providers", "campaigns", "calls")


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    sys.stdout.write("\n".join(report()) + "\n")
    return 0


def report() -> Iterator[str]:
    """Yield the lines of the list, as docs/scaling.md has them."""
    models = sorted(
        (model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OURS),
        key=lambda model: model._meta.db_table,
    )
    holding = [model for model in models if _has_organization(model)]
    yield "| table | unique without the organization | foreign keys without it |"
    yield "|---|---|---|"
    for model in holding:
        unique, keys = sorted(_unique(model)), sorted(_foreign_keys(model, holding))
        if unique or keys:
            yield f"| `{model._meta.db_table}` | {', '.join(unique) or '-'} | {', '.join(keys) or '-'} |"
    without = [f"`{model._meta.db_table}`" for model in models if model not in holding]
    yield ""
    yield f"Tables without the organization's column: {', '.join(without)}."


def _has_organization(model: type[Model]) -> bool:
    return any(field.name == "organization" for field in model._meta.local_fields)


def _unique(model: type[Model]) -> Iterator[str]:
    """Yield the unique indexes that lack the organization, beside the primary key, which all have."""
    for field in model._meta.local_fields:
        if field.unique and not field.primary_key and field.name != "organization":
            yield f"`{field.column}`"
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and "organization" not in constraint.fields:
            yield f"`{constraint.name}`"
    for names in model._meta.unique_together:
        if "organization" not in names:
            yield f"`{', '.join(names)}`"


def _foreign_keys(model: type[Model], holding: list[type[Model]]) -> Iterator[str]:
    """Yield the foreign keys to other tables with an organization: each would have to name it as well."""
    for field in model._meta.local_fields:
        to: Any = field.related_model
        if to in holding and getattr(field, "db_constraint", True):
            yield f"`{field.column}`"


if __name__ == "__main__":
    sys.exit(main())
