"""When a followed call is read, or searched for, next. A narrow table, so that a read writes no row of `calls_call`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models, transaction

from providers.models import ProviderAccount
from tenants.db.loaded import LoadedQuickly

_CHANGING = ("next_read_at", "last_read_at", "reads", "read_errors", "retention_at")


class Polling(LoadedQuickly):
    """The polling state of one call. The row exists as long as the call is read or searched for, and no longer.

    So the table stays as small as the number of calls that are followed. A call that is followed again gets a new row
    with a new key: an answer to a read of the old row is never taken for one of the new row.
    """

    # That of the call, which does not change: here it orders the index. The call's foreign key protects the account.
    account = models.ForeignKey(
        ProviderAccount, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    next_read_at = models.DateTimeField()  # while a read is under way: when its lease ends
    last_read_at = models.DateTimeField(null=True, blank=True)  # the last successful read
    reads = models.PositiveIntegerField(default=0)  # the fence: the read an answer belongs to
    read_errors = models.PositiveIntegerField(default=0)  # in a row
    retention_at = models.DateTimeField(null=True, blank=True)  # from then on the provider may have forgotten the call

    _stored: dict[str, Any]

    class Meta:
        verbose_name_plural = "polling states"
        indexes: ClassVar = [
            # Polling: the calls of a provider account that are due for a read.
            models.Index(fields=["account", "next_read_at"], name="polling_due"),
        ]

    def __str__(self) -> str:
        return f"Polling {self.pk}"

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        loaded = super().from_db(db, field_names, values, **more)
        loaded._stored = loaded._values()
        return loaded

    def has_changes(self) -> bool:
        """Return whether something was changed since the row was loaded or stored."""
        return not self._state.adding and self._stored != self._values()

    def save_changes(self) -> None:
        """Store the row, or only what was changed since it was loaded: a claim counts reads without the call's lock."""
        now = self._values()
        if self._state.adding:
            self.save(force_insert=True)
        elif changed := {name: value for name, value in now.items() if self._stored[name] != value}:
            Polling.objects.filter(pk=self.pk).update(**changed)
        self._stored = now

    def _values(self) -> dict[str, Any]:
        held = self.__dict__
        return {name: held[name] if name in held else getattr(self, name) for name in _CHANGING}


class Polled(LoadedQuickly):
    """What a call has of its polling state. What is set here is stored by `save`, in the same transaction."""

    polling = models.ForeignKey(
        Polling,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        related_name="calls",
        db_index=False,
    )
    account_id: int
    _stored_polling: int | None = None  # the key that the call's row has

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        loaded = super().from_db(db, field_names, values, **more)
        loaded._stored_polling = loaded.__dict__.get("polling_id")
        return loaded

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._stored_polling = self.polling_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the call, and its polling state if that was loaded or set."""
        if "polling" not in self._state.fields_cache:
            super().save(*args, **kwargs)
            return
        with transaction.atomic(savepoint=False):
            if self.polling is not None:
                self.polling.save_changes()
            super().save(*args, **kwargs)
            if self._stored_polling not in {None, self.polling_id}:
                Polling.objects.filter(pk=self._stored_polling).delete()
        self._stored_polling = self.polling_id

    @property
    def next_read_at(self) -> datetime | None:
        """When the call is read or searched for next. None: it is not. Setting it creates or deletes the row."""
        try:
            return self.polling.next_read_at if self.polling else None
        except Polling.DoesNotExist:  # the call was loaded before its reading ended
            return None

    @next_read_at.setter
    def next_read_at(self, moment: datetime | None) -> None:
        if moment is None:
            self.polling = None
        elif self.polling is None:
            self.polling = Polling(account_id=self.account_id, next_read_at=moment)
        else:
            self.polling.next_read_at = moment

    @property
    def retention_at(self) -> datetime | None:
        """From when on the provider may have forgotten the call. It can be set while the call is read."""
        return self.polling.retention_at if self.polling else None

    @retention_at.setter
    def retention_at(self, moment: datetime | None) -> None:
        if self.polling is not None:
            self.polling.retention_at = moment
