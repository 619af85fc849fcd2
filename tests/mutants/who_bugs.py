"""Deliberate bugs about persons with several numbers: the same person is rung twice, or in spite of do-not-call."""

from __future__ import annotations

from tests.mutants.planting import Bug, Edit

PERSONS = "tests/calls/test_persons.py::"
BESIDE = "tests/calls/test_interleavings.py::"

WHO_BUGS: tuple[Bug, ...] = (
    Bug(
        "do-not-call looks at the dialled number alone",
        "A person who asked at one number not to be called is called at another.",
        (Edit("calls/gate/decision.py", "    elif facts.other_number_listed:\n", "    elif False:\n"),),
        (PERSONS + "test_do_not_call_on_any_number_stops_the_person",),
    ),
    Bug(
        "a single call looks at its own contact alone",
        "A number is called by hand whose owner asked at another number not to be called.",
        (Edit("calls/gate/persons.py", "if call.is_single else None", "if False else None"),),
        (PERSONS + "test_a_single_call_to_a_further_number_is_refused_if_its_owner_is_listed",),
    ),
    Bug(
        "one claim does not see its own calls to a person",
        "Two campaigns ring a person at two numbers in the same second.",
        (Edit("calls/dialing/asking.py", "        self._batch.history.open.add(call)\n", ""),),
        (PERSONS + "test_two_calls_of_one_claim_do_not_ring_one_person_twice",),
    ),
    Bug(
        "claims of an organization do not take turns",
        "Two accounts ring a person at two numbers at once.",
        (
            Edit(
                "calls/dialing/placing.py",
                '    owner = owners.select_for_update(no_key=True, of=("self",)).first()\n',
                "    owner = owners.first()\n",
            ),
        ),
        (BESIDE + "test_two_contacts_who_share_a_number_are_not_called_at_once",),
        "PostgreSQL",
    ),
    Bug(
        "a single call locks its own contact alone",
        "The owner of the number is listed while the call is claimed, and it is dialled after the entry is answered.",
        (
            Edit(
                "calls/dialing/placing.py",
                "    holders = _holders(batch)\n",
                "    holders = set[int]()\n",
            ),
            Edit(
                "calls/dialing/placing.py",
                "    return batch if _holders(batch) <= holders else [call for call in batch if not call.is_single]\n",
                "    return batch\n",
            ),
        ),
        (BESIDE + "test_everyone_with_the_number_of_a_single_call_is_locked",),
        "PostgreSQL",
    ),
    Bug(
        "listing a number locks only those who have it first",
        "A person is dialled at another number after the entry of a further number is answered.",
        (
            Edit(
                "campaigns/contact_locks.py",
                '    return [key for (key,) in first.values_list("pk").union(further.values_list("contact_id"))]\n',
                '    return list(first.values_list("pk", flat=True))\n',
            ),
        ),
        (BESIDE + "test_nobody_is_dialled_once_a_further_number_is_listed",),
        "PostgreSQL",
    ),
    Bug(
        "a contact gets a number without its lock",
        "A number is listed while a contact gets it, and the contact is dialled.",
        (
            Edit(
                "campaigns/further_numbers.py",
                "    lock_numbers(contact.organization_id, [phone for phone, _ in numbers], listed=())\n",
                "",
            ),
        ),
        (BESIDE + "test_a_number_is_listed_while_a_contact_gets_it",),
        "PostgreSQL",
    ),
    Bug(
        "a queued call keeps a number that its contact has no longer",
        "A stranger who got the number is rung.",
        (Edit("calls/dialing/asking.py", "not self._batch.persons.has(call)", "False"),),
        (PERSONS + "test_a_queued_call_follows_the_first_number",),
    ),
    Bug(
        "gaps and caps count the calls of the contact alone",
        "A number that two contacts share rings twice as often as allowed.",
        (Edit("calls/gate/history.py", "        for number in numbers:\n", "        for number in set[str]():\n"),),
        (PERSONS + "test_gaps_and_caps_count_the_calls_to_all_numbers",),
    ),
    Bug(
        "every end moves on to the next number",
        "A person who was reached, or whose voicemail was, is called at the next number.",
        (Edit("calls/outcomes/recipient_progress.py", "if again or not last.unanswered:", "if again:"),),
        (PERSONS + "test_no_other_end_moves_on_to_the_next_number",),
    ),
)
