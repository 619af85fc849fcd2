from __future__ import annotations

from django.db import models


class NaiveCall(models.Model):
    """A call: one row, saved when it was placed and when it was read."""

    phone = models.CharField(max_length=16)
    provider_call_id = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=16, default="queued")
    raw = models.JSONField(default=dict)
    done_at = models.DateTimeField(null=True)

    objects: models.Manager[NaiveCall] = models.Manager()

    class Meta:
        app_label = "naive"

    def __str__(self) -> str:
        return self.phone


class Callback(models.Model):
    """A status callback as it came."""

    received_at = models.DateTimeField(auto_now_add=True)
    headers = models.JSONField()
    body = models.BinaryField()

    objects: models.Manager[Callback] = models.Manager()

    class Meta:
        app_label = "naive"

    def __str__(self) -> str:
        return str(self.pk)


class Person(models.Model):
    """A contact with its columns."""

    phone = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=200)
    city = models.CharField(max_length=100)
    appointment = models.CharField(max_length=100)
    product = models.CharField(max_length=100)
    agent = models.CharField(max_length=100)

    objects: models.Manager[Person] = models.Manager()

    class Meta:
        app_label = "naive"

    def __str__(self) -> str:
        return self.phone
