"""Arabic and Hebrew names beside numbers: where the browser draws each digit, on the pages that show both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls.models import Call, CallBack, Status
from campaigns.models import Contact, ContactList, Recipient
from providers.models import PhoneNumber
from tenants.models import Alert, Organization
from tests.browser.support import MARKS, THEMES, visit
from tests.calls import support

pytestmark = MARKS
NUMBER, SHOWN = "+12125550157", "(212) 555-0157"
NAMES = {"arabic": ("محمد", "الأنصاري"), "hebrew": ("דוד", "כהן")}
# Numbers whose characters are not drawn from left to right, names not from right to left, and names that are drawn
# behind the number that follows them on their line. With the count of the numbers seen.
MEASURE = r"""() => {
  const NUMBER = /\+?\(?\d[\d ().\u00a0\u2011-]{6,}\d/g, NAME = /[\u0590-\u08ff]+/g;
  const wrong = [], seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const boxes = (node, start, text) => [...text].map((character, at) => {
    const range = document.createRange();
    range.setStart(node, start + at);
    range.setEnd(node, start + at + 1);
    return [character, range.getClientRects()[0]];
  }).filter(([character, box]) => character.trim() && box && box.width > 0).map(([, box]) => box);
  for (let node; (node = walker.nextNode());) {
    if (node.parentElement.closest("script, style, noscript, [aria-hidden], .tl-sr")) continue;
    for (const [pattern, sign] of [[NUMBER, 1], [NAME, -1]]) {
      for (const match of node.data.matchAll(pattern)) {
        const found = boxes(node, match.index, match[0]);
        if (!found.length) continue;
        const turned = (box, at) => at && found[at - 1].top === box.top && sign * (box.left - found[at - 1].left) < 0;
        if (found.some(turned)) {
          wrong.push(match[0] + " in " + node.parentElement.outerHTML.slice(0, 200));
        }
        const block = node.parentElement.closest("td, th, p, li, dd, dt, h1, h2, h3, div");
        seen.push({sign, text: match[0], block, top: found[0].top, left: found[0].left,
                   right: Math.max(...found.filter(box => box.top === found[0].top).map(box => box.right))});
      }
    }
  }
  seen.forEach((each, at) => {
    const next = seen[at + 1];
    if (next && each.sign < 0 && next.sign > 0 && each.block === next.block && Math.abs(each.top - next.top) < 4
        && each.right > next.left + 1) wrong.push(each.text + " behind " + next.text);
  });
  return {wrong, numbers: seen.filter(each => each.sign > 0).length, names: seen.filter(each => each.sign < 0).length};
}"""


@pytest.fixture(params=NAMES)
def named(request: Any, organization: Organization, phone_number: PhoneNumber, assistant: Any) -> dict[str, str]:
    """Paths of the pages of an organization in which everything has such a name."""
    first, second = NAMES[request.param]
    name = f"{first} {second}"
    organization.name, organization.default_region, organization.allowed_countries = name, "US", ["US"]
    organization.save()
    for thing in (phone_number.account, phone_number.account.assistants.get()):
        thing.name = name
        thing.save()
    made = support.campaign(
        phone_number, support.people(organization, [NUMBER], name=name), status="running", name=name
    )
    ContactList.objects.update(name=name)
    contact, now = Contact.objects.get(), timezone.now()
    contact.variables = {"note": f"{name} {SHOWN}", "plain": name}
    contact.hold_reason, contact.on_hold = f"{name} {SHOWN}", True
    contact.save()
    recipient = Recipient.objects.create(campaign=made, contact=contact, status="waiting", next_attempt_at=now)
    call = support.single(
        phone_number, NUMBER, contact=contact, recipient=recipient, campaign=made, customer_name=name,
        status=Status.COMPLETED, dialed_at=now, terminal_at=now, dynamic_variables=contact.variables,
        result={"said": f"{name} {SHOWN}"}, result_status="completed", provider_reason=f"{name} {SHOWN}",
    )  # fmt: skip
    CallBack.objects.create(
        organization=organization, contact=contact, recipient=recipient, due_at=now + timedelta(hours=1),
        latest_at=now + timedelta(hours=2), note=f"{name} {SHOWN}",
    )  # fmt: skip
    Alert.objects.create(organization=organization, key="x", message=f"{name} {SHOWN} paused itself.")
    return {
        "contacts": "/admin/campaigns/contact/",
        "contact": f"/admin/campaigns/contact/{contact.pk}/change/",
        "calls": "/admin/calls/call/",
        "call": f"/admin/calls/call/{call.pk}/change/",
        "recipients": "/admin/campaigns/recipient/",
        "recipient": f"/admin/campaigns/recipient/{recipient.pk}/change/",
        "explanation": f"/admin/campaigns/recipient/{recipient.pk}/explain/",
        "campaign": f"/admin/campaigns/campaign/{made.pk}/change/?tab=recipients",
        "callbacks": "/admin/calls/callback/",
        "alerts": "/admin/tenants/alert/",
        "found": f"/admin/search/?s={first}",
    }


@pytest.mark.parametrize("theme", THEMES)
def test_numbers_beside_names_from_right_to_left_are_drawn_in_order(
    signed_in: Any, named: dict[str, str], theme: str
) -> None:
    assert Call.objects.get().customer_name
    page = signed_in
    page.emulate_media(color_scheme=theme)
    wrong, without = {}, []
    for name, path in named.items():
        assert visit(page, path).status == 200, name
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        found = page.evaluate(MEASURE)
        if found["wrong"]:
            wrong[name] = found["wrong"]
        if not (found["numbers"] and found["names"]):
            without.append(name)
    assert wrong == {}
    assert without == []
