"""The built-in table of words: how providers and their carriers write that a voicemail, a person or nobody answered.

Each group names its public source and its date; "undated" is the page as read in 2026-11. Keys are folded by
`words.key`. A word with a page of its own is listed as that page writes it, folded; no word is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STATUS, REASON, ANSWERED_BY = "status", "reason", "answered_by"
IGNORE, MACHINE, HUMAN, VOICEMAIL = "ignore", "machine", "human", "voicemail"


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def _all(meaning: str, listed: str) -> dict[str, str]:
    return dict.fromkeys(_words(listed), meaning)


# Twilio, "Answering Machine Detection" (undated): `AnsweredBy`. SignalWire (`detect_machine`, undated), Sinch ("AMD
# v2", undated), Vonage and Asterisk (`AMDSTATUS`, AMD(), 18.9) use a part of these words. Telnyx, "Answering Machine
# Detection" (undated): human_residence, human_business, fax_detected, not_sure. Bandwidth, "Machine Detection Complete"
# (undated): answering-machine, tone-detected, silence, timeout, error. Amazon Connect,
# `AnsweringMachineDetectionStatus` (undated): HUMAN_ANSWERED, VOICEMAIL_BEEP, VOICEMAIL_NO_BEEP, AMD_*, FAX_*, SIT_*.
# Blueworx CCXML (7.0): amd_human, amd_machine, amd_beep; its "potential" events decide nothing.
ANSWERERS: Mapping[str, str] = {
    **_all(
        MACHINE,
        "machine machine_start machine_end_beep machine_end_silence machine_end_other machine_detected "
        "answering_machine amd_machine amd_machine_detected amd_beep voicemail voice_mail voicemail_beep "
        "voicemail_no_beep fax fax_detected fax_machine_detected",
    ),
    **_all(
        HUMAN, "human human_residence human_business human_answered amd_human amd_human_detected person live_person"
    ),
    **_all(
        IGNORE,
        "unknown not_sure notsure unsure undetected not_detected silence timeout error hangup none null n_a "
        "amd_unknown amd_unresolved amd_unresolved_silence amd_unanswered amd_error amd_not_applicable",
    ),
}

# Why a call ended. A sentence that tells of a voicemail and of nothing else is read by `words.tells_of_voicemail`.
REASONS: Mapping[str, str] = {
    # AlloMia, status page of 2026-04 and its older examples; PolyAI, examples of pages of 2026-03 and 2026-06.
    **_all("hangup_callee", "customer_ended_call"),
    **_all("other", "assistant_ended_call"),
    **_all("queue_timeout", "call_queueing_max_timeout_limit_exceeded"),
    **_all("no_answer", "call_was_not_answered not_answered"),
    **_all("other", "call_was_canceled call_was_cancelled canceled cancelled"),
    **_all(IGNORE, "failed call_failed completed ended call_ended_normally error unknown none null n_a"),
    # ITU-T Q.850 (2018-05), by the names of FreeSWITCH's table of hang-up causes (undated). CALL_REJECTED is also sent
    # by networks that block a call, so it does not prove that the contact declined.
    **_all("no_answer", "no_answer no_user_response allotted_timeout progress_timeout"),
    **_all("busy", "user_busy busy"),
    **_all(
        "failed",
        "unallocated_number no_route_transit_net no_route_destination channel_unacceptable exchange_routing_error "
        "destination_out_of_order invalid_number_format facility_rejected normal_circuit_congestion "
        "network_out_of_order normal_temporary_failure switch_congestion requested_chan_unavail "
        "facility_not_subscribed outgoing_call_barred incoming_call_barred bearercapability_notauth "
        "bearercapability_notavail bearercapability_notimpl service_unavailable service_not_implemented "
        "incompatible_destination invalid_call_reference invalid_msg_unspecified mandatory_ie_missing "
        "recovery_on_timer_expire protocol_error interworking number_changed gateway_down media_timeout crash",
    ),
    **_all(
        "other",
        "call_rejected subscriber_absent normal_unspecified unspecified originator_cancel cancel lose_race "
        "user_challenge blind_transfer attended_transfer manager_request redirection_to_new_destination picked_off",
    ),
    **_all(IGNORE, "normal_clearing success"),
    # Retell, `disconnection_reason` (39 words of its package, 2026-04), and its older word machine_detected.
    **_all("hangup_callee", "user_hangup"),
    **_all("other", "agent_hangup call_transfer inactivity max_duration_reached user_declined ivr_reached"),
    **_all(VOICEMAIL, "voicemail_reached machine_detected"),
    **_all("busy", "dial_busy"),
    **_all("no_answer", "dial_no_answer"),
    **_all("failed", "dial_failed invalid_destination network_blocked marked_as_spam sip_routing_error"),
    # Vapi, `endedReason` (its package, 2026-04).
    **_all("other", "assistant_said_end_call_phrase assistant_forwarded_call silence_timed_out exceeded_max_duration"),
    **_all("busy", "customer_busy"),
    **_all("no_answer", "customer_did_not_answer"),
    # Pathors, "Status reference" (undated); Amazon Connect as above. "user no answer" is left out: there it means that
    # somebody was on the line and did not speak.
    **_all(VOICEMAIL, "amd_machine amd_machine_detected voicemail_beep voicemail_no_beep"),
    **_all("other", "user_rejected"),
    # CallingBox, examples of 2026-04.
    **_all("queue_timeout", "queue_timeout"),
    # The words for a voicemail of some countries, from dictionaries.
    **_all(VOICEMAIL, "répondeur repondeur messagerie_vocale anrufbeantworter buzón_de_voz buzon_de_voz"),
}
BUILT_IN: Mapping[str, Mapping[str, str]] = {STATUS: {}, REASON: REASONS, ANSWERED_BY: ANSWERERS}

# A sentence tells of a voicemail, and of nothing else, when it names one and each other word is one of HARMLESS. So "no
# voicemail", "voicemail or human", "asked about voicemail" and "voicemail detection is off" do not.
SPELLINGS = re.compile("voice_mail|answer(?:ing)?_machine|answerphone")
HARMLESS = _words(
    "a an the was is has been call ended end by with at on in to into due after because and "
    "detected reached answered hit left message box mailbox system greeting beep went gone sent "
    "hangup hung hang up amd machine"
)
