"""Two-step sign-in: codes of an authenticator app, recovery codes, and what an organization may require."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from tenants.models import AuditEntry, Authenticator, Membership, Organization, RecoveryCode
from tenants.sign_in import second_factor
from tenants.sign_in.known_browsers import known_browser
from tests.conftest import KeyMaker
from tests.tenants.signing_in import OLGA, PASSWORD, a_user, code_at, is_in, sign_in

pytestmark = pytest.mark.django_db
CODE_PAGE, PAGE = "/admin/login/code/", "/admin/two-step/"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(1_234_567_890, tick=False) as found:
        yield found


def set_up(client: Client, clock: Any, user: User) -> tuple[str, list[str]]:
    """Set two-step sign-in up on its page. Return the secret and the recovery codes."""
    secret = offered(client)
    assert not Authenticator.objects.filter(user=user).exists()
    answer = client.post(PAGE, {"code": code_at(secret, time.time())})
    codes = re.findall(r"^(?:<pre[^>]*>)?\s*((?:[a-z2-7]{4}-){3}[a-z2-7]{4})$", _pre(answer), re.M)
    clock.shift(30)
    return secret, codes


def offered(client: Client) -> str:
    """Return the secret that the page shows."""
    found = re.search(r'class="tl-secret">([A-Z2-7 ]+)<', client.get(PAGE).content.decode())
    assert found
    return found[1].replace(" ", "")


def _pre(answer: Any) -> str:
    text: str = answer.content.decode()
    return text[text.index('id="secret">') + 12 : text.index("</pre>")]


def test_codes_are_those_of_the_rfc(clock: Any) -> None:
    """RFC 6238, appendix B: the last six digits of the SHA-1 column."""
    user, secret = a_user(), base64.b32encode(b"12345678901234567890").decode()
    device = Authenticator.objects.create(user=user, secret=secret)
    for moment, code in [
        *((59, "287082"), (1111111109, "081804"), (1111111111, "050471")),
        *((1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")),
    ]:
        clock.move_to(moment)
        assert not second_factor.accept_code(user.pk, "000000")
        assert second_factor.accept_code(user.pk, f" {code[:3]} {code[3:]} "), moment
        assert not second_factor.accept_code(user.pk, code), "a code works once"
    device.refresh_from_db()
    assert device.last_step == 20000000000 // 30


def test_a_code_is_accepted_one_step_early_or_late_and_no_further(clock: Any) -> None:
    user, secret = a_user(), base64.b32encode(b"12345678901234567890").decode()
    for drift, accepted in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        Authenticator.objects.all().delete()
        Authenticator.objects.create(user=user, secret=secret)
        assert second_factor.accept_code(user.pk, code_at(secret, time.time() + 30 * drift)) == accepted, drift
    for nonsense in ("", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345"):
        assert not second_factor.accept_code(user.pk, nonsense)


def test_set_up_then_sign_in_with_the_app_or_with_a_recovery_code_once(clock: Any) -> None:
    user, first = a_user(), Client()
    sign_in(first)
    other = Client()
    sign_in(other)
    secret, codes = set_up(first, clock, user)
    assert len(set(codes)) == 10
    assert is_in(first) and not is_in(other), "sessions without a code have ended"

    browser = Client()
    answer = sign_in(browser)
    assert (answer.status_code, answer["Location"]) == (302, CODE_PAGE)
    assert not is_in(browser), "the password alone opens nothing"
    assert browser.get("/api/v1/organizations/").status_code == 401
    assert browser.post(CODE_PAGE, {"code": "000000"}).status_code == 200 and not is_in(browser)
    assert browser.post(CODE_PAGE, {"code": code_at(secret, time.time())}).status_code == 302 and is_in(browser)

    for expected in (True, False):  # a recovery code works once
        browser = Client()
        sign_in(browser)
        browser.post(CODE_PAGE, {"code": codes[0].upper().replace("-", " ")})
        assert is_in(browser) == expected
    assert RecoveryCode.objects.count() == 9


def test_the_code_page_needs_the_password_first_and_not_long_ago(clock: Any) -> None:
    user, client = a_user(), Client()
    assert client.get(CODE_PAGE)["Location"] == "/admin/login/"
    client.force_login(user)
    secret, _ = set_up(client, clock, user)

    def new_password() -> None:
        user.set_password("another long river")
        user.save()

    for spoil in (lambda: clock.shift(301), new_password):
        browser = Client()
        sign_in(browser, PASSWORD)
        spoil()
        answer = browser.post(CODE_PAGE, {"code": code_at(secret, time.time())})
        assert answer["Location"] == "/admin/login/" and not is_in(browser)


def test_tries_of_codes_are_limited(clock: Any) -> None:
    user, client = a_user(), Client()
    client.force_login(user)
    _, codes = set_up(client, clock, user)
    browser = Client()
    sign_in(browser)
    answers = [browser.post(CODE_PAGE, {"code": f"{number:06}"}).status_code for number in range(8)]
    assert answers == [200] * 6 + [429] * 2
    assert browser.post(CODE_PAGE, {"code": codes[0]}).status_code == 429, "recovery codes share the limit"
    clock.shift(1)
    assert browser.post(CODE_PAGE, {"code": codes[0]}).status_code == 302


def test_a_thief_of_the_password_does_not_use_up_the_owners_tries_of_codes(clock: Any) -> None:
    user, owner = a_user(), Client()
    sign_in(owner)
    secret, _ = set_up(owner, clock, user)
    owner.post("/admin/logout/")
    thief = Client()
    sign_in(thief, address="203.0.113.66")
    for number in range(10):
        thief.post(CODE_PAGE, {"code": f"{number:06}"})
    sign_in(owner)
    assert owner.post(CODE_PAGE, {"code": code_at(secret, time.time())}).status_code == 302 and is_in(owner)


def test_more_known_browsers_give_no_more_tries_of_codes(clock: Any) -> None:
    user, owner = a_user(), Client()
    sign_in(owner)
    secret, _ = set_up(owner, clock, user)
    browsers = [Client() for _ in range(8)]
    for browser in browsers:
        sign_in(browser)
        browser.post(CODE_PAGE, {"code": code_at(secret, time.time())})
        assert is_in(browser)
        clock.shift(30)
        browser.post("/admin/logout/")
        sign_in(browser)
    answers = [browser.post(CODE_PAGE, {"code": "00000"}).status_code for browser in browsers for _ in range(5)]
    assert answers == [200] * 21 + [429] * 19
    clock.shift(1)
    again = [browser.post(CODE_PAGE, {"code": "00000"}).status_code for browser in browsers[4:]]
    assert again.count(200) == 1, "they wait together"


def test_a_new_password_and_a_new_app_void_the_cookies_of_known_browsers(clock: Any) -> None:
    def known(client: Client) -> bool:
        request = RequestFactory().get("/")
        request.COOKIES["trunkline_browser"] = client.cookies["trunkline_browser"].value
        return bool(known_browser(request, OLGA))

    def new_password() -> None:
        twice = {"new_password1": "another long river", "new_password2": "another long river"}
        assert owner.post("/admin/password_change/", {"old_password": PASSWORD, **twice}).status_code == 302

    user, owner, early, later = a_user(), Client(), Client(), Client()
    for client in (owner, early):
        sign_in(client)
    assert known(owner) and known(early)
    secret, _ = set_up(owner, clock, user)
    assert known(owner) and not known(early)
    sign_in(later)
    later.post(CODE_PAGE, {"code": code_at(secret, time.time())})
    assert known(later)
    new_password()
    assert known(owner) and not known(early) and not known(later)
    second_factor.remove(user.pk)
    assert not known(owner)


def test_a_secret_that_another_session_or_an_earlier_password_saw_is_not_turned_on(clock: Any) -> None:
    user, first, second = a_user(), Client(), Client()
    sign_in(first)
    sign_in(second)
    seen = offered(first)
    assert offered(first) == seen != offered(second)
    assert second.post(PAGE, {"code": code_at(seen, time.time())}).status_code == 200
    twice = {"new_password1": "another long river", "new_password2": "another long river"}
    assert first.post("/admin/password_change/", {"old_password": PASSWORD, **twice}).status_code == 302
    assert offered(first) != seen
    first.post(PAGE, {"code": code_at(seen, time.time())})
    assert not second_factor.has_second_factor(user.pk)
    with pytest.raises(CommandError):  # who has only looked has nothing to reset
        call_command("reset_two_step", OLGA)


def test_of_two_sessions_that_turn_on_an_app_the_first_wins(clock: Any) -> None:
    user = a_user()
    assert second_factor.confirm(user.pk, "JBSWY3DPEHPK3PXP", 1, None)
    assert second_factor.confirm(user.pk, "KRSXG5CTMVRXEZLU", 1, None) == []
    assert Authenticator.objects.get(user=user).secret == "JBSWY3DPEHPK3PXP" and RecoveryCode.objects.count() == 10


def test_a_session_is_verified_with_the_present_app_alone(clock: Any, organization: Organization) -> None:
    user, client, other = a_user(), Client(), Client()
    Membership.objects.create(user=user, organization=organization, role="admin")
    client.force_login(user)
    secret, _ = set_up(client, clock, user)
    sign_in(other)
    other.post(CODE_PAGE, {"code": code_at(secret, time.time())})
    clock.shift(30)
    client.post(PAGE, {"turn-off": "1", "code": code_at(secret, time.time())})
    Organization.objects.update(two_step_required=True)
    for session in (client, other):
        assert session.get("/admin/")["Location"] == PAGE
        assert session.get("/api/v1/organizations/").status_code == 403


def test_whoever_has_to_set_it_up_can_still_sign_out_and_set_a_new_password(organization: Organization) -> None:
    Organization.objects.update(two_step_required=True)
    user, client = a_user(), Client()
    Membership.objects.create(user=user, organization=organization, role="admin")
    client.force_login(user)
    for path in ("password-reset/", "password-reset/sent/", "password-reset/MQ/abc-1/", "two-step/", "jsi18n/"):
        assert client.get(f"/admin/{path}").status_code == 200, path
    for path in ("password-reset/else/", "password_change/", "nowhere/"):
        assert client.get(f"/admin/{path}")["Location"] == PAGE, path
    assert client.post("/admin/logout/").status_code == 200


def test_secrets_are_stored_encrypted_and_recovery_codes_hashed(clock: Any) -> None:
    user, client = a_user(), Client()
    client.force_login(user)
    secret, codes = set_up(client, clock, user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM tenants_authenticator")
        stored = cursor.fetchone()[0]
    assert secret not in stored
    assert not any(code.replace("-", "") in str(list(RecoveryCode.objects.values())) for code in codes)
    page = client.get(PAGE)
    assert "no-store" in page["Cache-Control"]
    assert secret not in page.content.decode().replace(" ", ""), "a secret in use is not shown again"


def test_the_page_offers_the_app_what_it_reads(clock: Any) -> None:
    user, client = a_user(), Client()
    client.force_login(user)
    secret, page = offered(client), client.get(PAGE).content.decode()
    assert secret in page and secret not in str(client.session.load()), "it is shown until it is used, and encrypted"
    assert len(base64.b32decode(secret)) == 20
    link = f"otpauth://totp/Trunkline:olga%40example.org?secret={secret}&issuer=Trunkline"
    assert link in page.replace("&amp;", "&")
    assert "<svg" in unquote(re.search(r'src="(data:image/svg\+xml[^"]*)"', page)[1])  # type: ignore[index]


def test_changing_anything_needs_a_code(clock: Any) -> None:
    user, client = a_user(), Client()
    client.force_login(user)
    secret, codes = set_up(client, clock, user)
    for sent in ({"turn-off": "1"}, {"turn-off": "1", "code": "000000"}, {"code": "000000"}):
        client.post(PAGE, sent)
        assert second_factor.has_second_factor(user.pk)
        assert second_factor.use_recovery_code(user.pk, codes.pop())
    fresh = _pre(client.post(PAGE, {"code": code_at(secret, time.time())}))
    assert codes[0] not in fresh and not second_factor.use_recovery_code(user.pk, codes[0])
    clock.shift(30)
    client.post(PAGE, {"turn-off": "1", "code": code_at(secret, time.time())})
    assert not second_factor.has_second_factor(user.pk) and not RecoveryCode.objects.exists()


def test_an_organization_that_requires_it_lets_nobody_go_on_without(
    clock: Any, organization: Organization, client_for: KeyMaker
) -> None:
    user, client = a_user(), Client()
    Membership.objects.create(user=user, organization=organization, role="admin")
    client.force_login(user)
    assert is_in(client)
    Organization.objects.update(two_step_required=True)
    for path in ("/admin/", "/admin/calls/call/", "/admin/search/?s=a", "/admin/my-settings/"):
        assert client.get(path)["Location"] == PAGE, "sessions that were open before are stopped too"
    for header in ({}, {"HTTP_AUTHORIZATION": ""}, {"HTTP_AUTHORIZATION": " "}):
        assert client.get("/api/v1/organizations/", **header).status_code == 403, header  # type: ignore[arg-type]
    assert client_for(organization).get("/api/v1/organizations/").status_code == 200, "API keys are not affected"
    secret, _ = set_up(client, clock, user)
    assert is_in(client) and client.get("/api/v1/organizations/").status_code == 200
    client.post(PAGE, {"turn-off": "1", "code": code_at(secret, time.time())})
    assert second_factor.has_second_factor(user.pk), "it cannot be turned off"
    root = Client()
    root.force_login(User.objects.create_superuser("root@example.org", password=PASSWORD))
    assert root.get("/admin/")["Location"] == PAGE, "superusers reach that organization too"


def test_only_an_admin_of_the_organization_requires_it(organization: Organization) -> None:
    page = f"/admin/tenants/organization/{organization.pk}/change/"
    for role, may in (("manager", False), ("admin", True)):
        user, client = a_user(f"{role}@example.org"), Client()
        Membership.objects.create(user=user, organization=organization, role=role)
        client.force_login(user)
        assert ('name="two_step_required"' in client.get(page).content.decode()) == may


def test_an_admin_resets_a_team_member_of_their_own_organizations_alone(
    clock: Any, organization: Organization, stranger: Organization
) -> None:
    admin, member = a_user("admin@example.org"), a_user()
    Membership.objects.create(user=admin, organization=organization, role="admin")
    boss, theirs = Client(), Client()
    boss.force_login(admin)
    theirs.force_login(member)
    set_up(theirs, clock, member)
    step = reverse("admin:tenants_organization_step", args=[organization.pk, "reset-two-step"])

    def reset() -> bool:
        boss.post(step, {"email": OLGA})
        return not second_factor.has_second_factor(member.pk)

    assert not reset(), "not a member"
    Membership.objects.create(user=member, organization=organization, role="viewer")
    elsewhere = Membership.objects.create(user=member, organization=stranger, role="viewer")
    assert not reset(), "a member of an organization that the admin does not reach"
    elsewhere.delete()
    User.objects.filter(pk=member.pk).update(is_superuser=True)
    assert not reset(), "a superuser"
    User.objects.filter(pk=member.pk).update(is_superuser=False)
    assert reset() and not is_in(theirs)
    entry = AuditEntry.objects.get(action="organization.two_step_reset")
    assert (entry.actor, entry.detail["user"], entry.organization) == ("admin@example.org", OLGA, organization)


def test_a_command_resets_a_locked_out_superuser(clock: Any) -> None:
    user, client = a_user(is_superuser=True), Client()
    client.force_login(user)
    set_up(client, clock, user)
    call_command("reset_two_step", OLGA)
    assert not second_factor.has_second_factor(user.pk) and not is_in(client)
    assert AuditEntry.objects.get(action="user.two_step_reset").subject == OLGA
    for name in (OLGA, "nobody@example.org"):
        with pytest.raises(CommandError):
            call_command("reset_two_step", name)
