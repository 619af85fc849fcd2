"""An import by django-import-export as its documentation shows it, with a phone number that must be valid.

python -m benchmarks.naive.importing FILE prints the rows imported in a second.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import django

django.setup()

import phonenumbers  # noqa: E402
import tablib  # noqa: E402
from import_export.resources import ModelResource  # noqa: E402

from benchmarks.naive.models import Person  # noqa: E402


class People(ModelResource):
    class Meta:
        model = Person
        import_id_fields = ("phone",)
        exclude = ("id",)

    def before_import_row(self, row: Any, **options: Any) -> None:
        number = phonenumbers.parse(row["phone"], "US")
        if not phonenumbers.is_valid_number(number):
            raise ValueError("This is not a phone number.")
        row["phone"] = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def main(file: Path) -> None:
    began = time.perf_counter()
    rows = tablib.Dataset().load(file.read_text(), format="csv")
    done = People().import_data(rows, dry_run=False, raise_errors=False)
    seconds = time.perf_counter() - began
    assert Person.objects.count() > len(rows) * 0.9, done.row_errors()[:1]  # noqa: S101
    Person.objects.all().delete()
    sys.stdout.write(f"{len(rows) / seconds}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
