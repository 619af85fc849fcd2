"""How far the search keys of names are computed anew, after their form has changed."""

from __future__ import annotations

from django.db import models


class NameKeyRenewal(models.Model):
    """There is one row. `campaigns/name_keys.py` writes and reads it."""

    form = models.CharField(max_length=40)  # of the keys that are computed: `tenants.search_keys.FORM`
    after = models.BigIntegerField(null=True)  # the key of the last contact that was looked at; NULL: all were
    again_at = models.DateTimeField(null=True)  # when all are looked at once more; NULL: that is done or under way

    def __str__(self) -> str:
        return f"form {self.form}"
