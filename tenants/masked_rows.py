"""Mask what Django and its libraries keep about our rows: the admin's history, and the results of failed tasks."""

from __future__ import annotations

from typing import Any

from tenants.masking import masked


def mask_history(instance: Any, **_: Any) -> None:
    """Mask the words for an object in Django's admin history. A receiver of `post_init` of LogEntry.

    A contact's words are its name and number. Erasing finds the entry of a contact, but not those of other objects.
    `post_init`, because entries of several objects are inserted without `save`.
    """
    for name in ("object_repr", "change_message"):
        if name in instance.__dict__:  # a deferred column is not read for this
            setattr(instance, name, masked(getattr(instance, name)))


def mask_failure(task: dict[str, Any], **_: Any) -> None:
    """Mask the exception of a failed task, before it is stored and logged. A receiver of `post_execute_in_worker`."""
    if not task["success"]:
        task["result"] = masked(str(task["result"]))
