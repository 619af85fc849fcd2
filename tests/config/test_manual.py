"""The documents as pages: all render, links lead somewhere, and every Help link names a part that exists."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from config.manual import contents, documents, help
from config.manual.pages import address_of
from tenants.models import Organization
from tests.suite import ROOT
from tests.tenants.test_routes import MODELS, NOBODY, OPEN, PAGES, SUPERUSERS
from tests.test_admin import SignIn, sign_in
from tests.test_docs import anchors

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
FILES = sorted((ROOT / "docs").rglob("*.md"))
# Parts of a page, files and forms without a heading of their own, and pages before signing in.
WITHOUT = {
    *("healthz", "readyz", "metrics", "schema", "docs", "api-not-found", "home", "session", "saved-views", "undo"),
    *("choose-organization", "autocomplete", "view_on_site", "jsi18n", "app_list", "manual", "manual-page"),
    *("login", "logout", "sign-in", "two-step-code", "password-reset", "password-reset-sent", "password-reset-new"),
    *("provider-sign-in", "provider-sign-in-done", "password_change", "password_change_done"),
}
OURS = {"my-settings", "my-sessions", "own-password", "two-step", "search", "system"}  # not under the name `admin`


class Links(HTMLParser):
    """The links and the anchors of a page's document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if found := given.get("id"):
            self.ids.add(found)


def page(name: str) -> Links:
    return Links(documents.document(name, address_of).html)


def test_every_document_is_in_the_contents_once() -> None:
    listed = [name for _, names in contents.GROUPS for name in names]
    assert sorted(listed) == [name for name in documents.names() if not name.startswith(contents.DECISIONS)]
    assert len(documents.names()) == len(FILES)
    decisions = {f"{address_of(name)}" for name in documents.names() if name.startswith(contents.DECISIONS)}
    assert decisions <= set(page("adr").links)


@pytest.mark.parametrize("name", documents.names())
def test_a_document_has_no_broken_link(name: str) -> None:
    assert documents.document(name, address_of).broken == ()
    for link in page(name).links:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            continue
        assert not parts.path or parts.path.startswith(reverse("manual")), link
        other = parts.path.removeprefix(reverse("manual")).strip("/") or name
        assert other in documents.names(), link
        assert not parts.fragment or parts.fragment in page(other).ids, link


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_headings_have_the_anchors_of_github(file: object) -> None:
    """`tests/test_docs.py` finds them without a Markdown parser."""
    assert isinstance(file, type(ROOT))
    name = file.relative_to(ROOT / "docs").with_suffix("").as_posix().removesuffix("/README")
    first = re.sub(r"[^\w\- ]", "", documents.document(name, address_of).title.lower()).replace(" ", "-")
    assert page(name).ids | {first} == anchors(file)


def test_a_broken_link_is_found_and_html_is_text(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    assert isinstance(tmp_path, type(ROOT))
    (tmp_path / "a.md").write_text(
        "# A *title*\n\n<script>x</script> [b](b.md#two) [gone](gone.md) [g](b.md#gone) [h](#gone) [r](../README.md) "
        "[o](https://example.org/) [j](javascript:alert(1)) ![i](i.png)\n\n## One\n\n## One\n"
    )
    (tmp_path / "b.md").write_text("# B\n\n## Two\n")
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    for cached in (documents.names, documents.document, documents.anchors_of):
        cached.cache_clear()
    found = documents.document("a", address_of)
    for cached in (documents.names, documents.document, documents.anchors_of):
        cached.cache_clear()
    assert found.broken == ("gone.md", "b.md#gone", "#gone")
    assert (found.title, sorted(found.anchors)) == ("A title", ["one", "one-1"])
    links, text = Links(found.html), unescape(found.html)
    assert links.tags <= {"p", "a", "h2"} and "<script>x</script>" in text and "README" not in text
    assert f"{address_of('b')}#two" in links.links and "https://example.org/" in links.links
    assert not any("javascript" in link for link in links.links)


def test_every_help_link_leads_to_a_part_that_exists() -> None:
    for name, part in help.HELP.items():
        document, _, heading = part.partition("#")
        assert document in documents.names(), name
        assert not heading or heading in page(document).ids, (name, part)


def test_every_page_has_its_help() -> None:
    kinds = ("changelist", "add", "change", "delete", "history", "step", "panel")
    models = [f"{model}_{kind}" for model in (*MODELS, *SUPERUSERS) for kind in kinds]
    named = {name if name in OURS else f"admin:{name}" for name in {*models, *PAGES, *OPEN} - WITHOUT}
    assert {name for name in named if not help.part_for(name)} == set()
    assert NOBODY and help.part_for("admin:campaigns_campaign_change", "results") == "figures#recipients"


def test_team_members_read_it_with_the_policy_of_all_pages(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "viewer")
    dashboard = client.get(reverse("admin:index"))
    [address] = re.findall(r'class="tl-help-link" href="([^"]+)"', dashboard.content.decode())
    assert address == f"{address_of('using-the-admin')}#the-dashboard"
    answer = client.get(address)
    assert 'id="the-dashboard"' in answer.content.decode()
    assert answer["Content-Security-Policy"] == dashboard["Content-Security-Policy"]
    index = client.get(reverse("manual")).content.decode()
    assert all(address_of(name) in index for _, names in contents.GROUPS for name in names)
    for name in ("nothing", "../README", "images", "adr/README"):
        assert client.get(f"/docs/{name}/").status_code == 404
    assert Client().get(address)["Location"].startswith(reverse("admin:login"))


def test_the_documents_are_in_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"docs", "docs/", "**/*.md", "*.md"} & set(ignored)
