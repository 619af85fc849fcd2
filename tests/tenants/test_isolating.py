"""Text from right to left is isolated wherever a template shows it, and nothing else of a page changes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template import engines
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from tenants.backoffice.isolating import isolate, isolating
from tenants.bidi import isolated, isolated_html, runs_right
from tests.tables import cases

NAME, OTHER = "דוד כהן", "محمد"
TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (f"{NAME} (212) 555-0157", [NAME]),
        (f"{NAME} +972 50 555 0157 {OTHER}", [NAME, OTHER]),
        (f"“{NAME}” paused itself.", [NAME]),
        (f"Ada {NAME} Bob {OTHER}", [NAME, OTHER]),
        ("أريد 3 كتب، شكرا", ["أريد 3 كتب، شكرا"]),
        ("צ׳רני-כהן", ["צ׳רני-כהן"]),
        ("Ada (212) 555-0157", []),
        ("", []),
    ],
)
def test_runs_end_at_numbers_and_other_letters(text: str, runs: list[str]) -> None:
    assert re.findall("\u2068(.*?)\u2069", isolated(text)) == runs
    assert re.findall("<bdi>(.*?)</bdi>", isolated_html(text)) == runs


def test_marks_of_direction_do_not_reach_what_follows() -> None:
    assert isolated_html("\u202eevil <b>") == "<bdi>\u202eevil &lt;b&gt;</bdi>"
    cell = format_html('<a title="{0}">{0}</a> 06 12', f"\u202eevil {NAME}")
    assert isolate(cell) == f'<a title="\u202eevil {NAME}"><bdi>\u202eevil {NAME}</bdi></a> 06 12'
    assert isolated("\u202eevil") == "evil"


@given(st.text(alphabet=[*"aé<>&\"' 0123456789()-+.", *NAME, *OTHER, "\u2067", "\u202e", "\n"]))
def test_isolation_only_adds_tags(text: str) -> None:
    assert re.sub("</?bdi>", "", isolated_html(text)) == escape(text)
    assert re.sub("</?bdi>", "", str(isolate(mark_safe(escape(text))))) == escape(text)  # noqa: S308
    if not runs_right(text):
        assert isolate(text) is text


def test_finished_html_is_isolated_between_its_tags() -> None:
    cell = format_html(
        '<td title="{}" class="a > b"><a href="/{}">{} {}</a><option>{}</option></td>', *[NAME] * 3, 1, NAME
    )
    assert isolate(cell) == str(cell).replace(f">{NAME} 1<", f"><bdi>{NAME}</bdi> 1<")
    text = f"<textarea><b>{NAME}</textarea><!-- {NAME} --><script>'{NAME}'</script><bdi>{NAME}</bdi>"
    kept = mark_safe(text)  # noqa: S308
    assert isolate(kept) == kept


def test_only_variables_in_the_text_of_a_page_are_isolated() -> None:
    source = """<title>{{ a }}</title>{% block title %}{{ a }}{% endblock %}<a href="{{ a }}" title='>{{ a }}'
{% if a %} {{ a }} {% endif %}>{{ b }}</a><textarea rows="{{ a }}">{{ a }}</textarea>
<!-- {{ a }} --><script>if (1 < 2) {{ a }}</script>
{# {{ a }} #}{% comment %}{{ a }}{% endcomment %}{% blocktranslate %}{{ a }}{% endblocktranslate %}
<option>{{ a }}</option>
1 < 2 {{ b|default:"-" }}<br/>{{ b }}"""
    found = re.findall(r"\{\{ (\w).*?(\|isolate)? \}\}", isolating(source))
    assert {name for name, filtered in found if filtered} == {"b"}
    assert [filtered for name, filtered in found if name == "b"] == ["|isolate"] * 3
    assert isolating("{{ a }} <{{ b }}>", plain=True) == "{{ a|isolate }} <{{ b|isolate }}>"


@cases("path", sorted(TEMPLATES.rglob("*.html")))
def test_each_template_of_ours_compiles_and_filters_no_attribute(path: Path) -> None:
    """Another parser decides what is an attribute: that of the standard library, which does not know templates."""
    source = isolating(path.read_text())
    engines["django"].from_string(source)
    marked = re.sub(r"\{\{[^}]*\|isolate \}\}", "MARK", source)
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.extend(f"{tag} {name}={value}" for name, value in attrs if "MARK" in f"{name}{value}")

    Reader().feed(re.sub(r"\{[%#].*?[%#]\}|\{\{.*?\}\}", "", marked, flags=re.DOTALL))
    assert seen == []
