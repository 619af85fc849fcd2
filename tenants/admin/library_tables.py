"""Pages of the tables of libraries: background tasks and sign-ins. Superusers read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django_q.models import Failure, OrmQ, Success

from tenants.backoffice.local_time import local_time_column
from tenants.backoffice.superuser_admin import SuperuserReadOnlyAdmin


class TaskAdmin(SuperuserReadOnlyAdmin):
    list_display = ("name", "func", "cluster", "began", "ended")
    fields: ClassVar[Sequence[str]] = ("name", "func", "cluster", "began", "ended", "attempt_count")
    readonly_fields = fields
    began = local_time_column("started", "started")
    ended = local_time_column("stopped", "stopped")


@admin.register(Success)
class SuccessAdmin(TaskAdmin):
    pass


@admin.register(Failure)
class FailureAdmin(TaskAdmin):
    plural = "Task queue"
    fields = readonly_fields = (*TaskAdmin.fields, "result")


@admin.register(OrmQ)
class QueueAdmin(SuperuserReadOnlyAdmin):
    list_display = ("key", "taken")
    fields = readonly_fields = ("key", "taken")
    taken = local_time_column("lock", "hidden until")


class SignInAdmin(SuperuserReadOnlyAdmin):
    list_display: ClassVar[Sequence[str]] = ("attempted", "email", "ip_address", "path_info")
    search_fields = ("username", "ip_address")
    fields: ClassVar[Sequence[str]] = ("attempted", "email", "ip_address", "path_info", "user_agent")
    readonly_fields = fields
    attempted = local_time_column("attempt_time", "time")

    @admin.display(description="e-mail")
    def email(self, row: AccessAttempt | AccessFailureLog | AccessLog) -> str:
        return str(row.username)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(SignInAdmin):
    plural = "Sign-in failures"
    list_display = (*SignInAdmin.list_display, "failures_since_start")
    fields = readonly_fields = (*SignInAdmin.fields, "failures_since_start")


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(SignInAdmin):
    pass


@admin.register(AccessLog)
class AccessLogAdmin(SignInAdmin):
    pass
