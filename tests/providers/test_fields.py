"""Single fields of a provider's message in every form that leaves one meaning. Expected values are from standards."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.errors import ProviderError
from providers.adapters.fields import Fields, read_form, read_json_or_xml, read_message

PARIS = ZoneInfo("Europe/Paris")
AT = datetime(2026, 5, 11, 14, 0, tzinfo=UTC)
UNIX = 1_778_508_000  # `date -u -d 2026-05-11T14:00:00Z +%s`
OK, ODD, DOUBT = None, True, False  # no remark; read with a remark; not read, with a remark

LIST: Any = []
OBJECT: Any = {}

MOMENTS: list[tuple[Any, datetime | None, bool | None]] = [
    ("2026-05-11T14:00:00Z", AT, OK),
    ("2026-05-11T14:00:00.000Z", AT, OK),
    ("2026-05-11T14:00:00.123456789Z", AT + timedelta(microseconds=123456), OK),
    ("2026-05-11T16:00:00+02:00", AT, OK),
    ("2026-05-11T07:00:00-0700", AT, OK),
    ("20260511T140000Z", AT, OK),
    ("2026-05-11 14:00:00Z", AT, OK),
    ("2026-05-11 14:00:00 UTC", AT, ODD),
    ("2026-05-11 16:00:00 +0200", AT, ODD),
    ("2026-05-11 14:00:00 GMT", AT, ODD),
    ("2026/05/11 14:00:00Z", AT, ODD),
    ("2026-05-11T16:00:00+02:00[Europe/Paris]", AT, ODD),
    ("Mon, 11 May 2026 14:00:00 GMT", AT, ODD),
    ("Mon, 11 May 2026 16:00:00 +0200", AT, ODD),
    ("11 May 2026 14:00:00 Z", AT, ODD),
    (UNIX, AT, ODD),
    (float(UNIX), AT, ODD),
    (str(UNIX), AT, ODD),
    (UNIX * 1000, AT, ODD),
    (str(UNIX * 1000), AT, ODD),
    (UNIX * 10**6 + 5, AT + timedelta(microseconds=5), ODD),
    (UNIX * 10**9, AT, ODD),
    (f"{UNIX}.5", AT + timedelta(seconds=0.5), ODD),
    ("2026-05-11T14:00:00", None, DOUBT),  # without zone, and the account states none
    ("2026-05-11 14:00:00", None, DOUBT),
    ("Mon, 11 May 2026 14:00:00", None, DOUBT),
    ("2026-05-11", None, DOUBT),
    ("05/11/2026 14:00:00", None, DOUBT),
    ("2026-05-11 14:00:00 EST", None, DOUBT),
    ("2026-02-30T00:00:00Z", None, DOUBT),
    ("1999-12-31T23:59:59Z", None, DOUBT),
    ("2100-01-01T00:00:00Z", None, DOUBT),
    ("0001-01-01T00:00:00+23:59", None, DOUBT),
    ("9999-12-31T23:59:59-12:00", None, DOUBT),
    ("0000-00-00 00:00:00", None, DOUBT),
    *((value, None, DOUBT) for value in ("soon", 0, -1, 10**13, "9" * 30, 10**30, True, LIST, OBJECT, "14:00:00")),
    *((value, None, OK) for value in (None, "", " ")),
]
LOCAL: list[tuple[str, datetime | None]] = [  # in Paris: summer time from 2026-03-29 02:00 to 2026-10-25 03:00
    ("2026-05-11 16:00:00", AT),
    ("2026-05-11T16:00:00", AT),
    ("Mon, 11 May 2026 16:00:00", AT),
    ("2026-01-11T15:00:00.25", datetime(2026, 1, 11, 14, 0, 0, 250_000, tzinfo=UTC)),
    ("2026-03-29T02:30:00", None),  # never
    ("2026-10-25T02:30:00", None),  # twice
    ("2026-10-25T03:30:00", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
]
SECONDS: list[tuple[Any, int | None, bool | None]] = [
    *((value, 42, OK) for value in (42, 42.0)),
    *(
        (value, 42, ODD)
        for value in ("42", " 42 ", "42.0", 42.9, "42s", "42 s", "42 sec", "42 seconds", "42.5s", "00:00:42", "0:42")
    ),
    *((value, 42, ODD) for value in ("PT42S", "PT42.3S", "42000ms", "42000 ms", "0:00:42.7", "42 Seconds")),
    *((value, 102, ODD) for value in ("1:42", "00:01:42", "PT1M42S", "1m42s", "1 min 42 s", "1 minute 42 seconds")),
    *((value, 3702, ODD) for value in ("1:01:42", "PT1H1M42S", "1h 1m 42s", "61:42")),
    *((value, 120, ODD) for value in ("PT2M", "2 min", "120")),
    *((value, None, DOUBT) for value in (-1, "-5", True, False, "x", "N/A", LIST, OBJECT, 2**40, "4,2", "1e3", "0x1F")),
    *((value, None, DOUBT) for value in ("0:99", "1:75:00", "1:2:3:4", "PT", "s", "42 apples", "٤٢", "9" * 30)),
    *((value, None, OK) for value in (None, "")),
]
FLAGS: list[tuple[Any, bool | None, bool | None]] = [
    (True, True, OK),
    (False, False, OK),
    *((value, True, ODD) for value in ("true", "True", "YES", "y", "1", 1, 1.0, " on ")),
    *((value, False, ODD) for value in ("false", "no", "N", "0", 0, 0.0, "off")),
    *((value, None, DOUBT) for value in ("maybe", 2, -1, LIST, OBJECT, "null", "10")),
    *((value, None, OK) for value in (None, "")),
]
INTEGERS: list[tuple[Any, int | None, bool | None]] = [
    *((value, 7, OK) for value in (7, 7.0)),
    *((value, 7, ODD) for value in ("7", " 7 ", "7.0", "+7", "007")),
    *(
        (value, None, DOUBT)
        for value in (7.9, "7.9", -1, 2**31, 2**70, "x", True, LIST, OBJECT, "٣", "1e9", "9" * 19, "0x1")
    ),
    *((value, None, OK) for value in (None, "")),
]
MONEY: list[tuple[Any, str | None, bool | None]] = [
    (3333, "0.03333", OK),
    (0, "0", OK),
    (3333.5, "0.033335", OK),
    ("5000", "0.05", ODD),
    *((value, None, DOUBT) for value in (-4, "-1", True, "$5", 10**13, LIST, "1,000")),
    *((value, None, DOUBT) for value in (0.0135, "0.05", 1.25, "42.5")),  # dollars, as public reports show
    (83, "0.00083", OK),
    (1.0, "0.00001", OK),
    (None, None, OK),
]
IDS: list[tuple[Any, str, bool | None]] = [
    ("OUT-1", "OUT-1", OK),
    (88120457, "88120457", OK),
    (2**64 + 1, "18446744073709551617", OK),
    (" x ", "x", OK),
    ("x" * 128, "x" * 128, OK),
    (88120457.0, "88120457", ODD),
    *((value, "", DOUBT) for value in ("x" * 129, "a b", "é", ".", "..", OBJECT, LIST, True, "a\nb", 10**200)),
    *((value, "", OK) for value in (None, "", "  ")),
]
TEXTS: list[tuple[Any, str, bool | None]] = [
    (" a ", "a", OK),
    (12345, "12345", OK),
    ("\x00", "\ufffd", OK),
    *((value, "", DOUBT) for value in (True, LIST, ["a"], {"a": 1})),
    *((value, "", OK) for value in (None, "", " ")),
]


def of(value: Any, zone: ZoneInfo | None = None) -> Fields:
    return Fields({"f": value}, zone=zone)


def taken(fields: Fields) -> bool | None:
    """Return whether the one remark says that the value was taken. None: there is no remark."""
    assert len(fields.remarks) <= 1
    for remark in fields.remarks:
        assert remark.path == "f"
        assert remark.why.endswith(".")
        assert len(remark.said) <= 200
        return remark.taken
    return None


class TestSingleValues:
    def test_each_form_with_one_meaning_is_read(self) -> None:
        tables: list[tuple[str, list[Any]]] = [
            ("moment", MOMENTS),
            ("seconds", SECONDS),
            ("integer", INTEGERS),
            ("milli_cents", MONEY),
        ]
        for method, table in tables:
            for value, expected, odd in table:
                fields = of(value)
                found = getattr(fields, method)("f", into="somewhere")
                wanted = Decimal(expected) if method == "milli_cents" and expected is not None else expected
                assert (found, taken(fields)) == (wanted, odd), (method, value)
                assert {remark.field for remark in fields.remarks} <= {"somewhere"}

    def test_flags_ids_and_texts(self) -> None:
        tables: list[tuple[str, list[Any]]] = [("flag", FLAGS), ("call_id", IDS), ("text", TEXTS)]
        for method, table in tables:
            for value, expected, odd in table:
                fields = of(value)
                assert (getattr(fields, method)("f"), taken(fields)) == (expected, odd), (method, value)

    def test_a_time_without_zone_is_in_the_accounts_zone_where_that_leaves_one(self) -> None:
        for value, expected in LOCAL:
            fields = of(value, PARIS)
            assert fields.moment("f") == expected, value
            assert taken(fields) is (expected is not None)

    def test_numbers_as_text_are_no_oddity_where_the_provider_documents_them(self) -> None:
        xml = f"<r><n>3</n><at>{UNIX}</at><d>42</d><ms>{UNIX}000</ms></r>".encode()
        for fields in (read_json_or_xml(xml), read_form(f"n=3&at={UNIX}&d=42&ms={UNIX}000".encode())):
            assert (fields.integer("n"), fields.moment("at"), fields.seconds("d", "x")) == (3, AT, 42)
            assert fields.remarks == []
            assert fields.moment("ms") == AT
            assert taken(replaced(fields, "ms")) is True

    def test_a_text_is_cut_and_a_word_is_a_key(self) -> None:
        assert of("abcd").text("f", 3) == "abc"
        assert {of(word).word("f") for word in ("no-answer", "No Answer", "NO_ANSWER ")} == {"no_answer"}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
        st.sampled_from([None, PARIS]),
    )
    def test_no_value_raises_anything_and_none_is_dropped_in_silence(self, value: Any, zone: ZoneInfo | None) -> None:
        for method in ("text", "call_id", "flag", "integer", "moment", "word"):
            fields = of(value, zone)
            found = getattr(fields, method)("f")
            said = value is not None and not (isinstance(value, str) and not value.strip())
            assert found not in (None, "") or fields.remarks or not said
        for method in ("seconds", "milli_cents"):
            getattr(of(value, zone), method)("f", "x")
        fields = of(value, zone)
        fields.inside("f"), fields.rows("f")
        found, text = fields.result("f")
        assert found is not None or text or value in (None, "", [])

    @given(st.binary(max_size=80) | st.text(alphabet='{}[]":,ft0n\\u', max_size=80).map(str.encode))
    def test_no_bytes_raise_anything_but_a_providers_error(self, body: bytes) -> None:
        for read in (read_message, read_json_or_xml, read_form):
            with contextlib.suppress(ProviderError):
                fields = read(body)
                for name in list(fields.values)[:3]:
                    fields.text(name), fields.moment(name), fields.result(name), fields.rows(name), fields.inside(name)

    @given(st.integers(946_684_800, 4_102_444_799), st.sampled_from([1, 10**3, 10**6, 10**9]))
    def test_a_unix_time_has_one_unit(self, at: int, unit: int) -> None:
        assert of(at * unit).moment("f") == datetime.fromtimestamp(at, UTC)
        assert of(str(at * unit)).moment("f") == datetime.fromtimestamp(at, UTC)


def replaced(fields: Fields, name: str) -> Fields:
    """Return fields with the remarks about one field, told of the field `f`."""
    return Fields({}, remarks=[type(r)("f", r.said, r.why, r.taken) for r in fields.remarks if r.path == name])


class TestNames:
    def test_another_spelling_of_a_name_is_found(self) -> None:
        for name in ("outbound_call_id", "OutboundCallId", "outboundcallid", "Outbound-Call-ID", "OUTBOUND CALL ID"):
            fields = Fields({name: "x1", "other": 1})
            assert fields.call_id("outboundCallId") == "x1"
            assert [(remark.path, remark.taken) for remark in fields.remarks] == [("outboundCallId", True)]
            assert "outboundCallId" in fields

    def test_the_documented_spelling_wins_unless_it_says_nothing(self) -> None:
        assert Fields({"callSid": "a", "call_sid": "b"}).text("callSid") == "a"
        assert Fields({"callSid": None, "call_sid": "b"}).text("callSid") == "b"

    def test_two_other_spellings_must_agree(self) -> None:
        assert Fields({"Call_Sid": "a", "callsid": "a"}).text("callSid") == "a"
        fields = Fields({"Call_Sid": "a", "callsid": "b"})
        assert fields.text("callSid", into="provider_call_id") == ""
        assert [(remark.taken, remark.field) for remark in fields.remarks] == [(False, "provider_call_id")]
        assert fields.doubt("callSid") is not None

    def test_a_longer_or_shorter_name_is_another_name(self) -> None:
        fields = Fields({"status_code": 1, "statu": 2})
        assert fields.text("status") == ""
        assert fields.remarks == []


class TestMessages:
    def test_what_the_decoder_could_not_keep_is_told_of_the_readings_field(self) -> None:
        fields = read_message(b'{"callDetails": {"duration": NaN, "endedAt": 1}, "x": NaN}')
        assert fields.inside("callDetails").seconds("duration", "duration_seconds") is None
        told = [(remark.path, remark.field, remark.said) for remark in fields.remarks]
        assert told == [("callDetails.duration", "duration_seconds", "NaN"), ("x", "", "NaN")]

    def test_a_message_is_found_as_text_and_alone_in_a_list(self) -> None:
        for value in ({"id": 7}, json.dumps({"id": 7}), json.dumps(json.dumps({"id": 7})), [{"id": 7}]):
            assert read_message(json.dumps(value).encode()).call_id("id") == "7"
        for body in (b"[]", b"7", b'"x"', b'[{"id": 1}, {"id": 2}]', b"null"):
            fields = read_message(body)
            assert (fields.values, fields.remarks[-1].taken) == ({}, False)

    def test_an_object_inside_may_be_text_or_a_list_of_names_and_values(self) -> None:
        plain = {"ref": "r-1", "n": 5}
        forms: list[Any] = [
            plain,
            json.dumps(plain),
            json.dumps(json.dumps(plain)),
            [{"name": "ref", "value": "r-1"}, {"name": "n", "value": 5}],
            [["ref", "r-1"], ["n", 5]],
            [{"ref": "r-1"}, {"n": 5}],
            [plain],
        ]
        for value in forms:
            inner = of(value).inside("f")
            assert (inner.values, inner.path) == (plain, "f"), value
        none: list[Any] = ["text", 5, True, [1, 2], [plain, {"ref": "r-2", "n": 1}], [["ref", "a"], ["ref", "b"]]]
        for value in none:
            fields = of(value)
            assert fields.inside("f").values == {}
            assert taken(fields) is False
        empty: list[Any] = [None, "", {}, []]
        for value in empty:
            fields = of(value)
            assert (fields.inside("f").values, fields.remarks) == ({}, [])

    def test_rows_may_be_text_one_object_or_numbered(self) -> None:
        rows = [{"event": "a"}, {"event": "b"}]
        forms: list[Any] = [rows, json.dumps(rows), {"1": rows[1], "0": rows[0]}, [json.dumps(row) for row in rows]]
        for value in forms:
            assert [row.text("event") for row in of(value).rows("f") or ()] == ["a", "b"]
        assert [row.text("event") for row in of(rows[0]).rows("f") or ()] == ["a"]
        fields = of([rows[0], 7, None, "x"])
        assert len(fields.rows("f") or ()) == 1
        assert [remark.path for remark in fields.remarks] == ["f[1]", "f[3]"]
        assert of("x").rows("f") is None
        assert (of([{"n": "7"}]).rows("f") or [of(1)])[0].path == "f[0]"


RESULT = {"opt_out": True, "slot": "10:00"}
RESULTS: list[tuple[Any, bool | None]] = [
    (RESULT, OK),
    (json.dumps(RESULT), ODD),
    (json.dumps(json.dumps(RESULT)), ODD),
    (f" {json.dumps(RESULT)}\n", ODD),
    *(
        ([{name: "opt_out", value: True}, {name: "slot", value: "10:00"}], ODD)
        for name in ("name", "key", "field", "id", "label", "question", "variable", "title")
        for value in ("value", "answer", "response")
    ),
    ([{"id": "1", "name": "opt_out", "value": True, "type": "bool"}, {"id": 2, "name": "slot", "value": "10:00"}], ODD),
    ([["opt_out", True], ["slot", "10:00"]], ODD),
    ([{"opt_out": True}, {"slot": "10:00"}], ODD),
    ([{"id": 1, "key": "opt_out", "value": True, "confidence": 0.9}, {"key": "slot", "value": "10:00"}], ODD),
    ([RESULT], ODD),
    (json.dumps([{"name": "opt_out", "value": True}, {"name": "slot", "value": "10:00"}]), ODD),
]
TEXT_RESULTS: list[Any] = [
    "please stop calling",
    "{opt_out: yes}",
    '{"opt_out": true',
    "[call dropped] stop",
    True,
    7,
    ["stop", "calling"],
    [{"name": "opt_out", "value": True}, {"name": "opt_out", "value": False}],
    [{"name": "opt_out", "value": True, "answer": False}],
    [{"name": "opt_out"}, {"value": 1, "x": 2}],
    [{"title": "Mr", "text": "hello", "opt_out": True}, {"title": "Ms", "text": "bye", "opt_out": False}],
    [RESULT, {"opt_out": False, "slot": "x"}],
]


def test_a_doubt_of_the_decoder_names_the_field_in_any_spelling_of_its_name() -> None:
    for name in ("duration_seconds", "durationSeconds", "Duration-Seconds"):
        for value in ("NaN", f'1, "{name}": 2'):
            fields = read_message(f'{{"{name}": {value}}}'.encode())
            assert fields.seconds("duration_seconds", into="duration_seconds") is None
            assert [(remark.field, remark.taken) for remark in fields.remarks] == [("duration_seconds", False)], name


class TestResults:
    def test_one_structured_meaning_gives_an_object(self) -> None:
        for value, odd in RESULTS:
            fields = of(value)
            assert fields.result("f") == (RESULT, ""), value
            assert {remark.taken for remark in fields.remarks} == ({odd} if odd else set())

    def test_anything_else_is_kept_as_text_as_it_came(self) -> None:
        for value in TEXT_RESULTS:
            fields = of(value)
            result, text = fields.result("f")
            assert result is None, value
            assert text == (value if isinstance(value, str) else json.dumps(value))
            assert fields.remarks[-1].field == "result_text"

    def test_nothing_is_nothing(self) -> None:
        nothing: list[Any] = [None, "", []]
        for value in nothing:
            fields = of(value)
            assert (fields.result("f"), fields.remarks) == ((None, ""), [])
        assert of({}).result("f") == ({}, "")

    def test_a_code_block_of_json_is_the_object(self) -> None:
        """Public reports show results as language models write them."""
        inner = {"opt_out": True, "note": "a `b` c"}
        text = json.dumps(inner, indent=2)
        for sent in (
            f"```json\n{text}\n```",
            f"```{text}```",
            f"  ```JSON5\r\n{text}\n```\n",
            json.dumps(f"```\n{text}\n```"),
        ):
            fields = of(sent)
            assert fields.result("f") == (inner, ""), sent
            assert fields.remarks, sent
        for sent in (
            "```json\n```",
            f"```\n{text}\n``` and ```\n{text}\n```",
            f"I heard:\n```json\n{text}\n```",
            "```yes```",
        ):
            assert of(sent).result("f") == (None, sent)

    def test_json_text_inside_a_result_stays_text(self) -> None:
        inner = {"note": '{"a": 1}', "n": "[1]"}
        assert of(inner).result("f") == (inner, "")
        assert of(json.dumps(inner)).result("f") == (inner, "")

    def test_a_doubt_inside_a_result_keeps_what_was_sent_as_text_too(self) -> None:
        """A rule about opt-outs must see both values."""
        sent = '{"opt_out": false, "opt_out": true, "slot": "x"}'
        assert of(sent).result("f") == ({"opt_out": None, "slot": "x"}, sent)
        found, text = read_message(b'{"result": ' + sent.encode() + b"}").result("result")
        assert found == {"opt_out": None, "slot": "x"}
        assert text == "result.opt_out: false | true"
        sent = '{"slot": "x"} and please stop calling me'
        assert of(sent).result("f") == ({"slot": "x"}, sent)


def test_a_message_with_a_million_oddities_costs_no_more_than_one_with_hundreds() -> None:
    rows = json.dumps({"events": [1] * 200_000, "status": "completed"})
    fields = read_message(rows.encode())
    assert len(fields.rows("events") or ()) == 0
    assert fields.text("status") == "completed"
    assert 100 < len(fields.remarks) < 1000
    names = json.dumps({f"name{number}": float("nan") for number in range(20_000)})
    remarks = read_message(names.encode()).remarks
    assert 100 < len(remarks) < 1000
    assert remarks[-1].why == "The message has further oddities, which are not listed."


def test_of_a_list_that_is_too_long_the_last_rows_are_read() -> None:
    fields = read_message(json.dumps({"events": [{"at": number} for number in range(5000)]}).encode())
    assert [row.integer("at") for row in fields.rows("events") or ()] == list(range(3000, 5000))
    assert [remark.path for remark in fields.remarks] == ["events"]
