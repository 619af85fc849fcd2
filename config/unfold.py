"""The look of the admin: names, colours, sidebar. All files are served by this program, none by other servers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _words(request: HttpRequest) -> str:
    return static("trunkline/words.js")


def _script(request: HttpRequest) -> str:
    return static("trunkline/trunkline.js")


def _keyboard(request: HttpRequest) -> str:
    return static("trunkline/keyboard.js")


def _drawer(request: HttpRequest) -> str:
    return static("trunkline/drawer.js")


def _alpine(request: HttpRequest) -> str:
    return static("trunkline/alpine.js")


def _session(request: HttpRequest) -> str:
    return static("trunkline/session.js")


def _style(request: HttpRequest) -> str:
    return static("trunkline/trunkline.css")


def _icon(request: HttpRequest) -> str:
    return static("trunkline/icon.svg")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Trunkline",
    "SITE_HEADER": "Trunkline",
    "SITE_SUBHEADER": "Outbound calls",
    "SITE_SYMBOL": "settings_phone",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "LOGIN": {"form": "tenants.backoffice.sign_in.forms.SignInForm"},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "calls.admin.dashboard.page.index",
    "STYLES": [_style],
    "SCRIPTS": [_words, _alpine, _script, _keyboard, _drawer, _session],
    "ACCOUNT": {
        "navigation": [
            {"title": "My settings", "link": reverse_lazy("my-settings")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Two-step sign-in", "link": reverse_lazy("two-step")},
            {"title": "Your sessions", "link": reverse_lazy("my-sessions")},
        ]
    },
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 243)",
            "100": "oklch(94.1% .03 243)",
            "200": "oklch(88.8% .058 243)",
            "300": "oklch(80.9% .1 243)",
            "400": "oklch(71% .135 246)",
            "500": "oklch(61.5% .15 250)",
            "600": "oklch(52.5% .155 253)",
            "700": "oklch(46% .14 254)",
            "800": "oklch(40% .115 254)",
            "900": "oklch(35.5% .09 254)",
            "950": "oklch(27% .07 256)",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "config.admin_site.navigation",
    },
}
