"""The mail server of EMAIL_URL. Its certificate may also be of an authority of EXTRA_CA_FILE."""

from __future__ import annotations

import ssl

from django.core.mail.backends.smtp import EmailBackend
from django.utils.functional import cached_property

from tenants.egress.authorities import believe_extra


class Backend(EmailBackend):
    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        believe_extra(context)
        return context
