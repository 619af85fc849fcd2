"""Provider accounts, with what only this room knows: their open calls, and how to unblock them."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from django.db import transaction
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from calls.gate.capacity import with_open_calls
from calls.outcomes import circuit_breaker
from providers.adapters import http
from providers.adapters.base import Provider
from providers.adapters.errors import Misconfigured, NotAllowed, NotSent, ProviderError
from providers.api import ProviderAccountViewSet
from tenants import audit_log
from tenants.api.errors import Conflict
from tenants.policy import Action

CHECK_DEADLINE = 10.0
# Fixed sentences, never the peer's text: this answer must not let a caller explore the network behind the server.
WORKS = "The provider accepts these credentials."
REFUSED = "The provider refuses the credentials or the set-up of this account."
BUSY = "The provider asks us to slow down. Try again later."
NOT_ALLOWED = "The account's address does not lead to a public address over https, so nothing was sent."
NOT_REACHED = "No connection to the provider could be made."
UNUSABLE = "The provider gave no usable answer."


class CallingAccountViewSet(ProviderAccountViewSet):
    needs: ClassVar[Any] = {
        **ProviderAccountViewSet.needs,
        **dict.fromkeys(("check", "unblock"), Action.CHANGE_ACCOUNT),
    }
    outside_transaction = frozenset({"check"})  # it sends a request to the provider

    def get_queryset(self) -> Any:
        return with_open_calls(super().get_queryset())

    def perform_save(self, serializer: Any) -> None:
        account, provider = serializer.instance, serializer.validated_data.get("provider")
        if account and provider and provider != account.provider and account.calls.exists():
            raise Conflict("This account has calls, so its provider cannot change. Create another account.")
        super().perform_save(serializer)

    @action(detail=True, methods=["post"])
    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Check the credentials by one harmless read."""
        ok, message = asyncio.run(_check(self.get_object().adapter))
        return Response({"ok": ok, "message": message})

    @action(detail=True, methods=["post"])
    def unblock(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Unblock the account."""
        account = self.get_object()
        with transaction.atomic():
            circuit_breaker.unblock(account.pk)
            audit_log.record(
                account.organization,
                actor=self.reach.actor,
                action="account.unblocked",
                subject=str(account.uuid),
                detail={"was": account.blocked_code},
            )
        return Response(self.get_serializer(self.get_object()).data)


async def _check(adapter: Provider) -> tuple[bool, str]:
    try:
        async with http.Client(deadline=CHECK_DEADLINE) as client:
            adapter.read_check(await client.read(adapter.check()))
    except NotSent as error:
        return False, BUSY if error.throttled else NOT_REACHED
    except NotAllowed:
        return False, NOT_ALLOWED
    except Misconfigured:
        return False, REFUSED
    except ProviderError:
        return False, UNUSABLE
    return True, WORKS
