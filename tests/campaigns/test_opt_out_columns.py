from __future__ import annotations

import pytest

from campaigns.imports.columns import UnreadableFile, chosen_mapping, guess_mapping, mapping_faults
from campaigns.imports.opt_out import NotYesOrNo, marked, refused
from tests.campaigns.reading import read
from tests.tables import cases

A, B, C = "+33612345678", "+33612345679", "+33612345670"

KNOWN = (
    "Do Not Call|DoNotCall|do_not_call|DO NOT CALL|Do-not-call|Do not contact|Don't call|Opted out|Opted Out|Opt-out|"
    "Opt out|OptOut|Unsubscribed|unsubscribed|DNC|dnc|Do Not Phone|donotphone|HasOptedOutOfCalls|"
    "Do not call?|Ne pas appeler|NE PAS APPELER|Ne plus appeler|Ne pas contacter|Bloctel|Désinscrit|Désabonné|"
    "Opposition téléphonique|Nicht anrufen|Bitte nicht anrufen|Keine Anrufe|Nicht kontaktieren|Anrufsperre|"
    "Abgemeldet|Robinsonliste|No llamar|NO LLAMAR|No contactar|Lista Robinson|Dado de baja|"
    "D.N.C.|D N C|nichtanrufen|KEINANRUF|Keine-Anrufe|"
    # Words joined or parted as programs and people write them.
    "donotContact|DonotCall|DoNotcall|Donot call|donot_call|do_notcall|dontcall|nocall|NOCALL|hasoptedout|unSubscribed|"
    "un-subscribed|nepasappeler|ne_pasappeler|nichtanrufen|Nichtanrufen|keineanrufe|nollamar|nocontactar|DNCflag"
)
# Names that may say who must not be called.
ASKING = (
    "Phone opt out?|Call opt-out|Voice opt out|"
    "DNC date|Date of DNC|Suppress|Suppression list|contact allowed|Call permission|Consent given|OK to call|"
    "May call|Can we call|Phone consent|Consent|Consentement|Einwilligung|Consentimiento|Opt-in|Opted in|Optin|"
    "Appel autorisé|Appels autorisés|Anruf erlaubt|Darf angerufen werden|Llamada autorizada|Unsubscribed on|"
    "UNSUB_TIME|Blacklist|Blocked from calls|Do not call reason|TCPA|GDPR|DSGVO|RGPD|Liste rouge|Werbewiderspruch|"
    "Einwilligung Telefon|Do not disturb calls|No marketing calls|I agree to be contacted by phone|Excluded contacts|"
    "Email and phone opt out|TPS|Bloctel date|Fecha de baja|DNC (2)|No phone|Not contactable|"
    "Blocked|Excluded|Exclude|Stop|Refus|Refused|Gesperrt|Sperre|Sperrvermerk|Bloqué|Bloqueado|Excluir|Liste noire|"
    "Lista negra|Black list|Ne pas rappeler|Ne plus rappeler|Rappel interdit|No volver a llamar|"
    "No quiere que le llamen|Cannot be called|Can't call|Wants no calls|Anti-démarchage téléphonique|"
    "x_donotcall_reason|prefDonotContact|dncstatus|calloptout|oktocall|callallowed|voiceoptout|Do not disturb|Stop|"
    "Baja|Ne souhaite pas être appelé|Ne veut plus être appelée|Refuse d'être contacté|Rappel refusé|Non appeler|"
    "Anruf verboten|Anrufverbot|Kontaktverbot|Telefonverbot|Werbeverbot|No volver a llamar|No desea que le llamen|"
    "No quiere que se le llame|No acepta llamadas"
)
OTHER = (
    "Has Opted Out Of Email|HasOptedOutOfEmail|HasOptedOutOfFax|Email Opt Out|Unsubscribed from all email|"
    "Email unsubscribed|SMS opt-out|Do not email|Do not mail|Newsletter opt-in|E-Mail Einwilligung|"
    "Consentement e-mail|Accepts email marketing|Opted out of email: Marketing Information|emailoptout|smsoptout"
)
# Names that say nothing of the kind, though a word of them might.
PLAIN = (
    "Phone No|Tel No|Contact No.|No. of calls|No of contacts|Note|Notes|Call notes|Last call|Called on|Contact name|"
    "Contact owner|Number of times contacted|Last contacted|Marketing contact status|Notice|Canal|Cancelled|Pays|"
    "Pas de porte|Nonprofit|Knotenpunkt|Telefon privat|Nichte|Adresse de contact|Contact|Appel suivant|Kontaktdatum|"
    "Okay Street|City|Status|Lead Status|Do|Call|Phone|Mobile|is_organic|Non-smoker|Llamada anterior|"
    "Rappel|Date de rappel|Rappeler le|Stop name|Blocked until|Call No.|Antiguo teléfono|Interdit bancaire|"
    "Teléfono contacto|No. de contacto|Número contacto|Piano contact|Bus stop|Laptop outlet|Adoption|Option|Rappel|"
    "Date de rappel|Verbotene Zone|Last call|Contacté le"
)


# Columns of three programs that have no opt-out of calls.
VENDORS = (
    "First name|Last name|Email|Phone number|Mobile phone number|Fax number|Job title|Company name|Website URL|"
    "Country/Region|Salutation|Preferred language|Lifecycle stage|Lead status|Contact owner|Persona|Message|"
    "Last contacted|Last activity date|Next activity date|Number of times contacted|Number of sales activities|"
    "Unsubscribed from all email|Marketing email confirmation|Membership status|Buying role|Original source|Record ID|"
    "Contact Owner.id|Lead Source|Account Name.id|Vendor Name|Created By|Modified Time|Email Opt Out|Reporting To|"
    "Change Log Time|First Visit|Visitor Score|Referrer|Days Visited|General Phone|Direct Phone|Locked|"
    "Reference Type|hs_email_optout|hs_language|notes_last_contacted|MasterRecordId|LastCURequestDate|IsEmailBounced|"
    "Last Stay-in-Touch Request Date|Person - Marketing status|Person - Open deals|Person - Next activity date"
)


def each(names: str) -> list[str]:
    return names.split("|")


@cases("column", each(KNOWN))
def test_a_known_name_of_an_opt_out_maps_itself(column: str) -> None:
    assert guess_mapping(["phone", column])[column] == "do_not_call"


@cases("column", each(KNOWN))
def test_a_mapping_of_other_columns_leaves_a_known_opt_out_in_force(column: str) -> None:
    chosen = chosen_mapping(["Tel 1", column, "x"], {"Tel 1": "phone", "x": "variables.x"})
    assert chosen[column] == "do_not_call"
    assert mapping_faults(["Tel 1", column, "x"], chosen) == []


@cases("column", each(ASKING))
@cases("given", [None, {"Tel 1": "phone"}])
def test_a_name_that_may_say_who_must_not_be_called_stops_the_import(column: str, given: dict[str, str] | None) -> None:
    header = ["Tel 1", column]
    chosen = chosen_mapping(header, given)
    assert column not in chosen
    (fault,) = mapping_faults(header, chosen)
    assert f"'{column}'" in fault
    for target in ("do_not_call", "may_call", '""'):
        assert target in fault
    with pytest.raises(UnreadableFile, match="may say who must not be called"):
        read(f"Tel 1,{column}\n{A},1\n".encode())


@cases("column", each(ASKING))
@cases("target", ["", "variables.note", "may_call", "consent_evidence"])
def test_somebody_who_says_what_such_a_column_is_silences_the_question(column: str, target: str) -> None:
    header = ["Tel 1", column]
    assert mapping_faults(header, chosen_mapping(header, {"Tel 1": "phone", column: target})) == []


@cases("column", each(OTHER))
def test_an_opt_out_of_another_channel_is_an_ordinary_column(column: str) -> None:
    chosen = guess_mapping(["phone", column])
    assert chosen[column].startswith("variables.")


@cases("column", each(PLAIN))
def test_other_names_ask_nothing(column: str) -> None:
    header = ["Tel 1", column]
    chosen = guess_mapping(header)
    assert chosen[column] not in {"do_not_call", "may_call"}
    assert mapping_faults(header, chosen) == []


def test_the_columns_of_programs_without_an_opt_out_of_calls_ask_nothing() -> None:
    header = each(VENDORS)
    found = guess_mapping(header)
    assert mapping_faults(header, found) == []
    assert not {"do_not_call", "may_call"} & set(found.values())


YES = (
    "1|1.0|1,0|01|1.00|-1|✔\ufe0f|[x]|(x)|TRUE()|='1'|'1|\u200b1|\uff59\uff45\uff53|yes|Yes|YES|y|Y|true|TRUE|True|t|x|X|✓|✔|☑|✅|on|oui|Oui|OUI|O|vrai|VRAI|ja|Ja|JA|j|WAHR|wahr|sí|Sí|si|SI|"
    "VERDADERO|verdadero|opted out|Opted-Out|Do not call|DO NOT CALL|unsubscribed|DNC|ne pas appeler|Nicht anrufen|"
    "no llamar|2026-03-31|2026-03-31T10:00:00Z|31.03.2026|31/03/2026|3/31/26|2026-03-31 10:00:00|désabonné|Do Not Allow"
)
NO = (
    "0|0.0|0,00|00|[ ]|☐|\u200b|no|No|NO|n|N|false|FALSE|False|f|off|non|Non|NON|faux|FAUX|nein|"
    "Nein|FALSCH|falso|FALSO|-|Allow|none|null|n/a||  "
)
NEITHER = (
    "maybe|2|?|yes and no|perhaps later|peut-être|vielleicht|call first|0612345678|ok|unknown|yes (mail)|no!yes|1/2"
)


@cases("cell", each(YES))
def test_every_spelling_of_yes_asks_not_to_call(cell: str) -> None:
    found = read(f"phone;Do Not Call\n{A};{cell}\n".encode())
    assert [row.do_not_call for row in found.good.values()] == [True]


@cases("cell", each(NO))
def test_every_spelling_of_no_asks_nothing(cell: str) -> None:
    found = read(f"phone;Do Not Call;x\n{A};{cell};y\n".encode())
    assert [row.do_not_call for row in found.good.values()] == [False]


@cases("cell", each(NEITHER))
def test_what_is_neither_yes_nor_no_is_refused_with_what_to_write(cell: str) -> None:
    found = read(f"phone;Do Not Call\n{A};{cell}\n{B};no\n".encode())
    assert found.numbers == [B]
    assert cell in found.bad[2]
    assert "write yes if the contact must not be called, or no" in found.bad[2]


@cases(
    ("cell", "stops"),
    [
        *((no, True) for no in ("no", "0", "Nein", "non", "FALSCH", "revoked", "-")),
        *((yes, False) for yes in ("yes", "1", "Oui", "WAHR", "2026-03-31", "granted")),
    ],
)
def test_no_permission_means_do_not_call(cell: str, stops: bool) -> None:
    found = read(f"phone;OK to call\n{A};{cell}\n".encode(), mapping={"phone": "phone", "OK to call": "may_call"})
    assert [row.do_not_call for row in found.good.values()] == [stops]


@pytest.mark.parametrize("cell", ["", "maybe", "2"])
def test_a_permission_that_is_missing_or_unclear_is_refused(cell: str) -> None:
    found = read(f"phone;OK to call\n{A};{cell}\n".encode(), mapping={"phone": "phone", "OK to call": "may_call"})
    assert "write yes if the contact may be called, or no" in found.bad[2]


def test_a_column_of_permissions_is_no_column_of_opt_outs_and_the_other_way_round() -> None:
    header = ["phone", "OK to call"]
    assert any("may_call" in fault for fault in mapping_faults(header, {"phone": "phone", "OK to call": "do_not_call"}))
    header = ["phone", "Do Not Call"]
    assert any(
        "do_not_call" in fault for fault in mapping_faults(header, {"phone": "phone", "Do Not Call": "may_call"})
    )


def test_one_of_several_columns_is_enough() -> None:
    data = f"phone,Do Not Call,Unsubscribed\n{A},no,no\n{B},no,yes\n{C},yes,\n".encode()
    assert [row.do_not_call for row in read(data).good.values()] == [False, True, True]


def test_an_unclear_mark_counts_although_another_column_is_clear() -> None:
    assert read(f"phone,Do Not Call,DNC\n{A},yes,perhaps\n".encode()).bad.keys() == {2}


def test_no_word_means_both() -> None:
    for cell in each(YES) + each(NO):
        for column in ("Do Not Call",):
            assert marked(cell, column) in {True, False}
    for cell in ("yes", "no", "1", "0", "ja", "nein", "oui", "non", "sí"):
        assert marked(cell, "x") is not refused(cell, "x")
    with pytest.raises(NotYesOrNo):
        refused("", "x")


def test_a_remark_in_the_cell_of_the_number_is_not_called_through() -> None:
    data = b"phone,Home Phone\n0612345678 (ne pas appeler),0142345678\n0612345679 / do not call,\n"
    found = read(data)
    assert found.good == {}
    assert "asks not to call" in found.bad[2]


@cases(
    "cell",
    each(
        "Do not call|DNC|do_not_contact|Ne pas appeler|NICHT ANRUFEN|No llamar.|DNC list|On DNC|"
        "On the do not call list|Do not call again!|Don't contact anymore|Opted out of calls|Ne pas rappeler|"
        "Ne plus appeler SVP|Ne pas recontacter|Bitte nicht anrufen|No volver a llamar|"
        "DNCL|DNCC"  # statuses of VICIdial: on the list of do-not-call, and on that of a campaign
    ),
)
def test_a_status_that_asks_not_to_call_keeps_its_row_from_being_called(cell: str) -> None:
    data = f"phone;Status\n{A};New\n{B};{cell}\n{C};do not call before noon\n".encode()
    found = read(data)
    assert found.numbers == [A, C]
    assert "asks not to call" in found.bad[3]
    assert read(data, mapping={"phone": "phone", "Status": ""}).numbers == [A, B, C]
    renamed = read(data, mapping={"phone": "phone", "Status": "variables.stage"})  # somebody looked at the column
    assert renamed.numbers == [A, B, C]
    marked_too = f"phone;Status;Do Not Call\n{A};{cell};yes\n".encode()
    assert [row.do_not_call for row in read(marked_too).good.values()] == [True]


@pytest.mark.parametrize(
    "column",
    each("Can't call|Cannot call|Wants no calls|No consent|No opt-in|Sans consentement|Ohne Einwilligung|Sin permiso"),
)
def test_a_permission_that_is_denied_can_be_mapped_to_do_not_call(column: str) -> None:
    """The advice to take may_call instead would make callable who asked not to be called."""
    assert mapping_faults(["phone", column], {"phone": "phone", column: "do_not_call"}) == []


@pytest.mark.parametrize(
    "text",
    [
        f"phone,name\n{A},DO NOT CALL - Ann\n",
        f"phone,name\n{A},Ann (DNC)\n",
        f"phone,name\n{A},***do not call***\n",
        f"phone,last name\n{A},Do not call again!\n",
        f"phone,tags\n{A},vip; dnc\n",
        f"phone,tags\n{A},vip / ne pas appeler\n",
        f"Phone 1 - Label,Phone 1 - Value\nDo not call,{A}\n",
        f"phone,name\n{A},BITTE: nicht anrufen\n",
    ],
)
def test_a_wish_beside_a_name_or_a_number_is_heard(text: str) -> None:
    found = read(text.encode())
    assert list(found.bad) == [2]
    assert "asks not to call" in found.bad[2]


@pytest.mark.parametrize("name", ["DNC Media", "Callum Dnce", "Phone House", "Dr. No Call-Center", "Nicht, Anna", "No"])
def test_a_name_that_only_sounds_like_a_wish_is_a_name(name: str) -> None:
    assert not read(f'phone,name\n{A},"{name}"\n'.encode()).bad
