"""What is masked in logs, and what stays readable. The tables are written by hand."""

from __future__ import annotations

import pytest

from tenants.masking import masked

NUMBER = "5145551234"
# Each names the same number, with or without its country, as staff, files and providers write it.
SPELLINGS = [
    "+15145551234",
    "15145551234",
    "5145551234",
    "0015145551234",
    "00 1 514 555 1234",
    "+1 514 555 1234",
    "+1 (514) 555-1234",
    "(514) 555-1234",
    "(514)555-1234",
    "514-555-1234",
    "514.555.1234",
    "514/555/1234",
    "514 555 1234",
    "+1-514-555-1234",
    "+1.514.555.1234",
    "+(1)5145551234",
    "1 514 55 51 234",
    "5 1 4 5 5 5 1 2 3 4",
    "514\u00a0555\u00a01234",
    "514\u202f555\u202f1234",
    "514\u2011555\u20111234",
    "514\u2013555\u20131234",
    "+1\u200e514\u200b5551234",
    "\u202a+15145551234\u202c",
    "tel:+15145551234",
    "sip:15145551234@pbx.example.org",
    "%2B15145551234",
    "%2b1%20514%20555%201234",
    "+1514-5551234;ext=22",
    "\u0661\u0665\u0661\u0664\u0665\u0665\u0665\u0661\u0662\u0663\u0664",  # Arabic-Indic digits
    "\uff0b\uff11\uff15\uff11\uff14\uff15\uff15\uff15\uff11\uff12\uff13\uff14",  # full-width digits
    "'15145551234'",
    "to_number=15145551234,",
    "[15145551234]",
    "contact_15145551234.csv",
    "tel15145551234",
    "+1_514_555_1234",
    "'+1\\xa0514\\xa0555\\xa01234'",  # as Python and JSON quote a space that does not break
    "+1\\u202f514\\u202f555\\u202f1234",
    "Call 15145551234: no answer",
    " 15145551234:0:200",
    "15145551234::",
    "514.5551234",
    "514555.1234",
    "555.1234",
    "'a\\n514 555 1234'",  # as Python quotes the end of a line
    "\\t514 555 1234",
    "%28514%29%20555-1234",
    "%3A5145551234",
    "514,555,1234",
    "514&nbsp;555&nbsp;1234",
    "514&#160;555&#160;1234",
    "514·555·1234",
    "+1 514 555 1234 1 514 555 1234",  # two in a row
]
OTHER_NUMBERS = [
    "+33 1 42 00 00 01",
    "+33 (0)1 42 00 00 01",
    "01 42 00 00 01",
    "+49 30 1234567",
    "030/1234567",
    "+44 20 7946 0958",
    "+4520123456",
    "20123456",
    "+290 22222",
    "555-1234",
    "+6421123456",
    "33612345678::",
    "06.12345678",
    "+33 6 12 34 56 78 33 6 12 34 56 79",
    "\\t06 12 34 56 78",
]
READABLE = [
    "Call 4711 took 1.25 s",
    "Call 123456789: the answer to its placing was lost",
    "Account 12345678: its probe failed",
    "2026-11-29T22:47:03+0000",
    "2026-11-29T22:47:03.123456Z",
    "2026-11-29 22:47:03.123456+00:00",
    "2026-11-29, 2026-11-30",
    "[29/Nov/2026:22:47:03 +0000]",
    "12345678-1234-1234-1234-123456789012",
    "d9b2d63d-a233-4123-847a-7a1b2c3d4e5f",
    "192.168.100.200:8000",
    "10.0.0.5",
    "::1",
    "2001:db8::1234:5678",
    "0x7f0e4376f5d0",
    "line 4711, in place",
    "[1, 2, 3, 4, 5, 6, 7, 8]",
    "(1, 2026, 11, 29)",
    "1,250,000 rows",
    "10,346 passed",
    "12.50 USD",
    "0.123456789",
    "port 65535",
    "HTTP 503",
    "Expected 100 calls, 200 found",
    "psycopg 3.2.10",
    "3.11.2",
    "pid 123456",
    "next_token = 5",
    "1,250,000,000 rows",
    "1,250,000.50 USD",
    "12.345678 s",
    "Token authentication failed",
    "Basic authentication is required",
    "token expired: try again",
    "100 m² 5",
    "token_urlsafe(32)",
    'File "/srv/trunkline/.venv/lib/python3.11/site-packages/django/db/backends/utils.py", line 105, in _execute',
    "test_the_old_text_of_every_bug_occurs_exactly_once",
    "django.db.utils.OperationalError: connection failed: Connection refused",
    'GET /admin/calls/call/ HTTP/1.1" 200 5120',
]
SECRET = "s3cr3t-Canary.Value~99"
WITH_SECRETS = [
    f"Authorization: Bearer {SECRET}",
    f"{{'Authorization': 'Bearer {SECRET}'}}",
    f"authorization: basic {SECRET}",
    f"Authorization: ApiKey {SECRET}",
    f'Authorization: Digest username="a", response="{SECRET}"',
    f"password = {SECRET}",
    f"{{'api_key': ['{SECRET}']}}",
    f"postgres://u:pa/{SECRET}@h",
    f"https://h/x?name={SECRET}",
    f"DETAIL:  Key (name)=(Ada\n{SECRET}) already exists.",
    f"'duplicate key\\nDETAIL:  Key (name)=(Ada\\n{SECRET}) already exists.\\n'",
    f'{{"api_key": "{SECRET}", "region": "eu"}}',
    f"{{'auth_token': '{SECRET}'}}",
    f"password='{SECRET}'",
    f"AccountConfig(credentials={{'apiKey': '{SECRET}'}})",
    f"password: {SECRET}",
    f"client_secret: {SECRET}, region: eu",
    f"X-Api-Key: {SECRET}",
    f"X-Webhook-Signature: {SECRET}",
    f"Cookie: sessionid={SECRET}; csrftoken={SECRET}",
    f"Set-Cookie: sessionid={SECRET}; Path=/",
    f"https://example.org/hook?token={SECRET}&a=1",
    f"https://example.org/hook?a=1&key={SECRET}",
    f"https://example.org/hook?sig={SECRET}",
    f"postgresql://trunkline:{SECRET}@127.0.0.1/trunkline",
    f"/hooks/allomia/{SECRET}",
    f"/hooks/callingbox/account/{SECRET}",
    f'"GET /admin/calls/call/?q={SECRET} HTTP/1.1" 200 5120',
    f"POST /admin/login/?next=/admin/%3Fa={SECRET} HTTP/1.1",
    f"DETAIL:  Failing row contains (5, {SECRET}, null).",
    f"DETAIL:  Failing row contains (5, two lines\n{SECRET}, null).",
    f'CONTEXT:  COPY campaigns_contact, line 3, column name: "{SECRET}"',
    f"LINE 1: ... WHERE name = '{SECRET}'",
    f'invalid input syntax for type uuid: "{SECRET}"',
]
RANDOM_TEXTS = [
    "tl_Q2FuYXJ5LWtleS1vZi1hLXRlc3QtMDAx",
    "whsec_Q2FuYXJ5L3NlY3JldC8xMjM0NTY3",
    "Q2FuYXJ5LXRva2VuLW9mLWEtdGVzdC05OTk5",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJDYW5hcnkifQ.Q2FuYXJ5",  # a signed token (RFC 7519) with a readable middle
    "0123456789abcdef0123456789abcdef",
    "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",
]


def test_a_number_is_masked_in_every_spelling(subtests: pytest.Subtests) -> None:
    for text in [*SPELLINGS, *OTHER_NUMBERS]:
        for line in (text, f"The call to {text} failed.", f'{{"to": "{text}"}}', f"a\n{text}\nb"):
            with subtests.test(line):
                found = masked(line)
                assert "•••" in found
                rest = found.replace("ext=22", "").replace("%3A", "").replace(":0:200", "")
                left = "".join(str(int(c)) if c.isdigit() else " " for c in rest).split()
                assert sum(map(len, left)) <= 4  # the first two and the last two digits


def test_what_is_no_number_stays_readable(subtests: pytest.Subtests) -> None:
    for line in READABLE:
        with subtests.test(line):
            assert masked(line) == line


def test_secrets_and_values_that_a_database_quotes_are_masked(subtests: pytest.Subtests) -> None:
    for line in WITH_SECRETS:
        with subtests.test(line):
            assert SECRET not in masked(f"first\n{line}\nlast")
            assert masked(f"first\n{line}\nlast").startswith("first\n")
            assert masked(f"first\n{line}\nlast").endswith("last")


def test_short_secrets_are_masked_where_their_names_tell(subtests: pytest.Subtests) -> None:
    for line, secret in (
        ("Authorization: ApiKey hunter2hunter", "hunter2"),
        ("authorization: Basic dTpw", "dTpw"),
        ("password: abc", "abc"),
        ("password = hunter2", "hunter2"),
        ('{"password": 123456}', "123456"),
        ("postgres://u:pa/ss@h", "ss@"),
    ):
        with subtests.test(line):
            assert secret not in masked(line)


def test_long_random_texts_are_masked(subtests: pytest.Subtests) -> None:
    for text in RANDOM_TEXTS:
        with subtests.test(text):
            assert text[8:] not in masked(f"the key {text} was refused")


def test_a_number_and_a_time_in_one_line_are_told_apart() -> None:
    line = "2026-11-29T22:47:03+0000 10.0.0.5 called +1 514 555 1234 (port 8000) for 0.25 USD"
    assert masked(line) == line.replace("+1 514 555 1234", "+15•••34")


def test_masking_a_long_hostile_text_takes_no_long_time() -> None:
    """Patterns with nested repetition would take minutes here; the suite's time limit ends such a test."""
    for text in (
        "1 " * 50_000,
        "(" * 100_000,
        "a" * 100_000,
        "0:" * 50_000,
        "+" * 100_000,
        "Ab1" * 30_000,
        "x-" * 50_000,
        "\n" * 100_000,
        "\n ," * 30_000,
        "value too long " * 7_000,
        "eyJaaaaaaaa-" * 8_000,
        "https://" * 12_000,
        "Key (a)=(" * 11_000,
        "password:[" * 10_000,
        "514," * 25_000,
    ):
        masked(text)
