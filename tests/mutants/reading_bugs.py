"""Deliberate bugs about what is read: one odd value costs a whole answer, or a message says what it does not say."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

DECODING, ODDITIES, JSON, FIELDS, VALUES, SAME, MESSAGES, WORDS = (
    f"providers/adapters/{name}.py"
    for name in ("decoding", "oddities", "json_text", "fields", "values", "call_ids", "messages", "words")
)

DECODED, READ, SPELLED, MEANT = (
    f"tests/providers/test_{name}.py::" for name in ("decoding", "fields", "call_ids", "words")
)
ALLOMIA = "tests/providers/test_allomia.py::TestAlloMia::"
CALLBACKS, TOLD = "tests/calls/test_status_callbacks.py::", "tests/calls/test_unknown_words.py::"

READING_BUGS: tuple[Bug, ...] = (
    # Decoding.
    Bug(
        "a value that is no number refuses the body",
        "The end of a call is never read, because a provider wrote NaN beside it.",
        (
            Edit(
                JSON,
                "parse_constant=lambda word: Odd(None, constants.popleft() if constants else word, NOT_A_NUMBER),",
                "parse_constant=int,",
            ),
        ),
        (DECODED + "TestOddities::test_each_costs_itself_and_is_named",),
    ),
    Bug(
        "a repeated name takes the last value",
        "`busy` and `completed` come under one name, and the call is stored as completed.",
        (Edit(ODDITIES, "    if len(found) == len(pairs):\n", "    if True:\n"),),
        (
            DECODED + "TestOddities::test_both_values_of_a_repeated_name_are_kept_for_staff",
            ALLOMIA + "test_a_status_is_believed_if_it_has_one_meaning",
        ),
    ),
    Bug(
        "an ID is read as a number of 64 bits",
        "IDs beyond 2^63 are cut to one value, and two calls become one.",
        (Edit(JSON, "    return int(digits) if len(digits)", "    return min(int(digits), 2**63 - 1) if len(digits)"),),
        (ALLOMIA + "test_the_id_of_a_placed_call_is_found_where_one_is_left",),
    ),
    Bug(
        "a compressed body is opened whole",
        "A few kilobytes from a stranger fill the memory of the process.",
        (
            Edit(
                DECODING,
                "part.decompress(rest, MAX_BODY + 1 - len(plain))",
                "part.decompress(rest)",
            ),
        ),
        (DECODED + "TestOddities::test_a_compressed_body_is_never_larger_in_memory_than_a_plain_one_may_be",),
    ),
    Bug(
        "a time without a zone is taken for UTC",
        "A local time is shown hours off, as if the provider had said it.",
        (Edit(VALUES, "        raise Doubtful(NO_ZONE)\n", "        return local.replace(tzinfo=UTC)\n"),),
        (READ + "TestSingleValues::test_each_form_with_one_meaning_is_read",),
    ),
    Bug(
        "a result that is no object is dropped",
        "What the person said is nowhere, and the opt-out in it is not heard.",
        (Edit(FIELDS, "            return None, _as_text(sent)\n", '            return None, ""\n'),),
        (READ + "TestResults::test_anything_else_is_kept_as_text_as_it_came",),
    ),
    # Which call a message is about.
    Bug(
        "an ID is compared as it is written",
        "The provider gives the ID back in capitals: the end is not taken, and the line stays blocked.",
        (
            Edit(
                SAME, "    first, second = _parts(one), _parts(other)\n", '    first, second = ("", one), ("", other)\n'
            ),
        ),
        (SPELLED + "TestSameCall::test_forms_of_one_id",),
    ),
    Bug(
        "a call is looked up by its ID as it is written",
        "A callback that writes the ID in capitals finds no call, and the end in it is lost.",
        (
            Edit(
                "calls/models/provider_ids.py",
                "    return Q(In(ID_IN_LOWER_CASE, spellings(provider_call_id)))\n",
                "    return Q(provider_call_id=provider_call_id)\n",
            ),
        ),
        (
            CALLBACKS + "test_one_id_in_two_cases_is_one_call",
            CALLBACKS + "test_an_id_in_another_spelling_is_the_same_call",
        ),
    ),
    Bug(
        "IDs with two prefixes are one call",
        "The end of an inbound call is stored as that of an outbound one.",
        (Edit(SAME, " and first[1] == second[1] and alike\n", " and first[1] == second[1]\n"),),
        (SPELLED + "TestSameCall::test_ids_of_two_calls",),
    ),
    Bug(
        "of two calls in an answer the first is ours",
        "The end of another call in the answer is stored as the contact's.",
        (Edit(MESSAGES, "    if len(named) != 1:\n", "    if not named:\n"),),
        (ALLOMIA + "test_two_objects_with_different_statuses_end_no_call",),
    ),
    Bug(
        "of two statuses the first is meant",
        "A call that the same answer calls busy is stored as completed.",
        (Edit(MESSAGES, "len(meant if one_object else {key(word) for word in words}) > 1", "not meant"),),
        (ALLOMIA + "test_a_status_is_believed_if_it_has_one_meaning",),
    ),
    # Words.
    Bug(
        "a voicemail told in words is not heard",
        "Nobody was reached, and the contact counts as reached.",
        (
            Edit(
                WORDS, "(self.status, self.reason, reason) or self.answered_by == MACHINE\n", "(self.status, reason)\n"
            ),
        ),
        (
            MEANT + "test_words_of_carriers_for_who_answered",
            TOLD + "test_a_voicemail_told_in_words_is_not_reached_and_follows_its_retry_rule",
        ),
    ),
    Bug(
        "a voicemail beside a person is a voicemail",
        "A person who was reached is called again as after a voicemail.",
        (
            Edit(
                WORDS,
                "        if HUMAN in (self.answered_by, self.before) and (voicemail or self.before == MACHINE):\n",
                "        if False:\n",
            ),
        ),
        (
            MEANT + "test_a_person_and_a_voicemail_at_once_are_neither",
            TOLD + "test_a_person_does_not_become_a_voicemail_later",
        ),
    ),
    Bug(
        "an own word ends a call that the provider may dial again",
        "The retry rule calls a person whom the provider is calling again by itself.",
        (
            Edit(
                WORDS,
                "        return self.reading.state if state.is_terminal and self.reading.may_go_back else state\n",
                "        return state\n",
            ),
        ),
        (MEANT + "test_an_own_status_does_not_end_a_call_that_the_provider_may_dial_again",),
    ),
    Bug(
        "the meaning of a documented status can be changed",
        "A team member's table turns answered calls into calls that nobody answered, and they are called again.",
        (Edit(WORDS, '    if field == STATUS and folded.replace("_", "") in fixed:\n', "    if False:\n"),),
        (MEANT + "test_a_table_of_own_words_is_folded_and_checked",),
    ),
)
