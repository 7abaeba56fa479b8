#!/usr/bin/env python3
"""Writes docs/acceptance.md: every line of crates/wire/data/acceptance.md beside the tests that show it.

The assignments stand below, first match wins. tests/acceptance.rs checks the page: every line once, every test there.
Run it after adding a test that shows more; the page is committed.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "crates/wire/data/acceptance.md"
TARGET = ROOT / "docs/acceptance.md"

CALLS = "tests/phone/calls.rs"
SESSIONS = "tests/phone/sessions.rs"
FAULTS = "tests/phone/faults.rs"
ANSWERED = f"{CALLS}::a_call_is_answered_and_ended_in_the_documented_order"
MUTED = f"{CALLS}::both_parties_hear_the_others_tone"
CANCELED = f"{CALLS}::a_call_is_cancelled"
REJECTED = f"{CALLS}::a_call_is_rejected"
ENDED = f"{CALLS}::nobody_unknown_users_and_busy_users_are_told_apart"
REFUSED = f"{CALLS}::wrong_orders_are_refused_with_their_codes"
LOGIN = f"{SESSIONS}::logins_are_refused_with_their_codes"
LOGOUT = f"{SESSIONS}::logout_in_a_call_ends_the_call_first"
CORE_CALLS = "tests/core_calls.rs"
CORE_SESSION = "tests/core_session.rs"
STATES = "tests/core_methods.rs::every_method_in_every_state"
STAGES = "tests/core_stages.rs::every_method_in_every_stage_of_a_call"
CHANGE_STAGES = "tests/core_stages.rs::every_method_in_every_stage_of_a_change"
HOLD = "tests/core_changes.rs::hold_and_resume"
PEER_HOLDS = "tests/core_changes.rs::the_peer_holds_and_resumes"
MOVE = "tests/core_changes.rs::a_call_is_moved_to_another_device"
MOVE_FAILS = "tests/core_changes.rs::a_move_that_fails_leads_back"
ASKED = "tests/core_upgrades.rs::an_upgrade_is_asked_for_and_accepted_or_not"
VIDEO = "tests/phone/video.rs"
AUDIO_ONLY = f"{VIDEO}::a_video_call_is_answered_with_audio_only_and_upgraded_later"
ONE_WAY = f"{VIDEO}::rejected_changes_leave_video_one_way"
NEVER = f"{VIDEO}::an_upgrade_that_nobody_answers_ends_by_itself_and_may_be_answered_late"
DOWNGRADED = "tests/core_upgrades.rs::a_video_call_that_is_answered_as_audio_says_so_until_it_is_upgraded"
ADDED = "tests/core_two_calls.rs::a_call_is_added_while_the_first_is_held"
SWITCHED = "tests/core_two_calls.rs::calls_change_places_and_back"
CHANGES = "tests/phone/changes.rs"
HELD_AND_HEARD = f"{CHANGES}::held_means_silent_on_both_sides_whoever_holds"
PLACES = f"{CHANGES}::two_calls_change_places_and_the_first_goes_on_when_the_second_ends"
JOINED_UP = f"{CHANGES}::a_transfer_brings_the_two_others_together"
MOVES = f"{CHANGES}::a_call_moves_to_another_device_or_stays"
SEEN = f"{VIDEO}::video_is_added_taken_away_and_added_again_by_either_side"
TRANSFER = "tests/core_two_calls.rs::an_attended_transfer"
KEYS = "tests/phone/dtmf.rs::keys_are_heard_once_each_and_in_order_with_every_codec"
TONES = "tests/core_tones.rs::every_tone_is_told_when_it_begins_and_when_it_has_been_sent"
APPENDED = "tests/phone/dtmf.rs::a_second_order_is_appended_and_each_completes_with_its_last_tone"
HOSTS = "tests/core_conferences.rs"
JOINS = "tests/core_joining.rs"
STARTED = f"{HOSTS}::a_conference_is_started"
SECOND = f"{JOINS}::a_conference_is_started_during_a_call"
INVITED = f"{HOSTS}::an_invitation_is_sent_and_accepted"
DECLINED = f"{HOSTS}::an_invitation_is_declined_fails_and_is_repeated"
REMOVED = f"{HOSTS}::a_participant_is_removed"
LEFT = f"{HOSTS}::a_participant_leaves_and_may_be_asked_again"
HOST_HOLDS = f"{HOSTS}::a_host_holds_resumes_and_mutes"
HOST_ENDS = f"{HOSTS}::a_host_ends_its_conference"
NEVER_CONNECTED = f"{HOSTS}::a_conference_is_withdrawn_before_it_is_connected"
JOINED = f"{JOINS}::an_invitation_is_joined"
NOT_JOINED = f"{JOINS}::an_invitation_is_declined_withdrawn_or_expires"
LEAVES = f"{JOINS}::a_participant_leaves_is_removed_or_sees_the_end"
HOST = "tests/phone/conferences.rs::a_host_fills_its_conference_and_ends_it"
PARTICIPANT = "tests/phone/conferences.rs::a_participant_joins_and_hears_the_others"
RECORDED = "tests/transcripts.rs::recordings_are_replayed"
MUTE_CORE = f"{CORE_CALLS}::mute_and_unmute"
EARLY = f"{CORE_CALLS}::early_media_is_ringback_and_audio_counts_after_the_connection"
RINGBACK = "tests/phone/ringback.rs::the_caller_hears_ringback_then_the_callee_who_hears_only_the_caller"
BUSY_LINE = f"{CORE_CALLS}::busy_lines_decline_and_tell"
OFFLINE = f"{CORE_SESSION}::offline_keeps_calls_and_online_resumes_at_once"
E911 = f"{CORE_SESSION}::the_e911_id_is_associated_once_per_command"
ANSWERS = "src/core/errors.rs::answers_become_error_objects"
EXPIRY_TEXTS = "src/core/errors.rs::only_texts_about_a_session_mean_expiry"
LOGGING = "tests/logging.rs"
LOGGERS = f"{LOGGING}::loggers_of_the_application_come_and_go"
LINES_OF_LOG = f"{LOGGING}::lines_are_filtered_by_level_and_say_where_they_come_from"
LEVELS = f"{LOGGING}::levels_are_set_for_all_for_one_and_back"
REPORT = "tests/utilities.rs::the_report_says_what_works_here"
LISTED = "tests/utilities.rs::the_errors_of_phone_and_gateway_can_be_listed"
NETWORK = "tests/network.rs::loopback_goes_down_and_comes_back"
NETWORKS = "tests/network.rs::a_network_comes_with_its_addresses_and_routes_and_goes"
WARNED = "tests/phone/notices.rs::muting_twice_and_unmuting_for_nothing_are_warnings"
TOLD = "tests/phone/notices.rs::who_calls_a_busy_phone_is_named_in_a_notification_and_declined"
ENDED_CHANGE = "tests/phone/notices.rs::a_change_that_the_gateway_ends_is_a_notification_and_the_call_goes_on"
ADDRESS = f"{SESSIONS}::the_emergency_address_is_changed_by_who_may_have_one"
WITHDRAWN = f"{SESSIONS}::logout_withdraws_what_is_pending_and_ends_both_calls"
BY_NAME = "tests/settings.rs::what_belongs_to_no_phone_is_answered_with_and_without_one"
UNREACHABLE = f"{FAULTS}::a_gateway_lost_in_mid_call_is_reported_once_and_media_goes_on"
EXPIRED = f"{FAULTS}::a_restarted_gateway_expires_the_session"

# Event -> the tests in which it is raised. Every event those tests see is compared with the table, property by property.
EVENTS = {
    "call:canceled": [CANCELED],
    "call:connected": [ANSWERED],
    "call:ringback-provided": [EARLY, RINGBACK],
    "call:connecting": [ANSWERED],
    "call:disconnected": [ANSWERED, ENDED],
    "call:disconnecting": [ANSWERED],
    "call:held": [HOLD, PEER_HOLDS, HELD_AND_HEARD, RECORDED],
    "call:incoming": [ANSWERED],
    "call:media-modification": [ASKED, SEEN, RECORDED],
    "call:modification-in-progress": [HOLD, HELD_AND_HEARD, SEEN, RECORDED],
    "call:moved": [MOVE, MOVES, RECORDED],
    "call:muted": [MUTED],
    "call:rejected": [REJECTED],
    "call:resumed": [HOLD, PEER_HOLDS, HELD_AND_HEARD, RECORDED],
    "call:state-changed": [ANSWERED],
    "call:transferred": [TRANSFER, JOINED_UP, RECORDED],
    "call:transferring": [TRANSFER, JOINED_UP, RECORDED],
    "call:unmuted": [MUTED],
    "conference:canceled": [NEVER_CONNECTED, NOT_JOINED, PARTICIPANT],
    "conference:connected": [STARTED, JOINED, HOST, PARTICIPANT],
    "conference:connecting": [STARTED, JOINED, HOST, PARTICIPANT],
    "conference:disconnecting": [HOST_ENDS, LEAVES, HOST],
    "conference:ended": [HOST_ENDS, LEAVES, HOST, PARTICIPANT],
    "conference:held": [HOST_HOLDS, RECORDED, HOST],
    "conference:invitation-accepted": [INVITED, RECORDED, HOST],
    "conference:invitation-received": [JOINED, PARTICIPANT],
    "conference:invitation-rejected": [DECLINED, NOT_JOINED, HOST],
    "conference:invitation-sending": [INVITED, HOST],
    "conference:invitation-sent": [INVITED, HOST],
    "conference:joining": [JOINED, PARTICIPANT],
    "conference:participant-removed": [REMOVED, RECORDED, HOST],
    "conference:resumed": [HOST_HOLDS, RECORDED, HOST],
    "connectivity:off": [NETWORK, NETWORKS, OFFLINE],
    "connectivity:on": [NETWORK, NETWORKS, OFFLINE],
    "address-updated": [ADDRESS, E911],
    "answering": [ANSWERED],
    "dialing": [ANSWERED],
    "dtmf:tone-sending": [KEYS, TONES],
    "dtmf:tone-sent": [KEYS, TONES],
    "error": [REFUSED, LOGIN],
    "notification": [TOLD, ENDED_CHANGE, BUSY_LINE, LEFT],
    "warning": [WARNED],
    "gateway:unreachable": [UNREACHABLE],
    "media:established": [ANSWERED],
    "session:call-switched": [ADDED, SWITCHED, PLACES, SECOND],
    "session:disconnected": [LOGOUT, WITHDRAWN],
    "session:expired": [EXPIRED],
    "session:ready": [LOGIN],
}

# Line -> tests, where the event's own tests do not show it or something else shows it better.
LINES = {
    "S001": [LOGGERS, LINES_OF_LOG, BY_NAME],
    "S002": [LOGIN],
    "S003": [REPORT, BY_NAME],
    "S004": [LEVELS, LOGGERS, BY_NAME],
    "S005": [LISTED],
    "S006": [LISTED],
    "S007": [ANSWERED],
    "S008": [
        f"{SESSIONS}::a_phone_is_closed_and_dropped_inside_its_own_handler",
        "src/runtime/dispatcher.rs::events_come_in_order_also_after_a_panic_and_stop_after_off",
    ],
    "S009": [ANSWERED],
    "S010": [ANSWERED],
    "S011": [ANSWERED],
    "S012": [HOLD, HELD_AND_HEARD, HOST_HOLDS, HOST],
    "S013": [HOLD, HELD_AND_HEARD, HOST_HOLDS, HOST],
    "S014": [MUTED],
    "S015": [MUTED],
    "S016": [MOVE, MOVES],
    "S017": [JOINED, PARTICIPANT],
    "S018": [HOST_ENDS, LEAVES],
    "S019": [INVITED, HOST],
    "S020": [REMOVED, HOST],
    "S021": [LOGIN],
    "S022": [LOGOUT],
    "S023": [CANCELED],
    "S024": [REJECTED],
    "S025": [TRANSFER, JOINED_UP],
    "S026": [ASKED, SEEN, ONE_WAY],
    "S027": [SEEN, NEVER, RECORDED],
    "S028": [STARTED, HOST],
    "S029": [NOT_JOINED, PARTICIPANT],
    "S030": [KEYS, APPENDED],
    "S031": [ADDRESS],
    "S032": [SWITCHED, PLACES],
    "S033": [STATES],
    "S037": [CANCELED, STAGES],
    "S047": [AUDIO_ONLY, DOWNGRADED],
    "S053": [AUDIO_ONLY, DOWNGRADED],
    "S057": [ANSWERED, STAGES],
    "S066": [ANSWERED, STAGES],
    "S075": [ANSWERED, STAGES],
    "S084": [STATES, CHANGE_STAGES],
    "S110": [ASKED, SEEN],
    "S111": [f"{SESSIONS}::a_phone_is_closed_and_dropped_inside_its_own_handler"],
    "S120": [STATES, CHANGE_STAGES],
    "S121": [MOVES, MOVE, MOVE_FAILS],
    "S129": [MUTED, MUTE_CORE],
    "S130": [MUTED, HOST_HOLDS],
    "S140": [REJECTED, STAGES],
    "S161": [ASKED, SEEN],
    "S163": [HOLD, PEER_HOLDS],
    "S169": [HOLD, PEER_HOLDS],
    "S170": [HOLD, PEER_HOLDS],
    "S176": [STATES],
    "S184": [STATES],
    "S191": [MUTED, MUTE_CORE],
    "S192": [MUTED, HOST_HOLDS],
    "S321": [KEYS, TONES],
    "S329": [KEYS, TONES],
    "S330": [TONES],
    "S340": [ADDRESS, STATES],
    "S358": [LOGIN, ANSWERS],
    "S359": [REFUSED, STATES],
    "S360": ["src/core/methods.rs::checks_follow_the_validation_lists", ANSWERS],
    "S361": [LOGIN, ANSWERS],
    "S368": [ANSWERS],
    "S369": [ANSWERS],
    "S370": [ANSWERS],
    "S371": [ANSWERS],
    "S372": [f"{FAULTS}::a_server_without_trusted_tls_is_refused"],
    "S383": [WARNED, MUTE_CORE],
    "S384": [WARNED, STAGES],
    "S393": [f"{CORE_SESSION}::login_that_fails_can_be_repeated", EXPIRY_TEXTS],
    "S394": [EXPIRY_TEXTS],
    "S409": [STATES],
    "S414": [LOGOUT, WITHDRAWN, f"{CORE_SESSION}::logout_cancels_ends_and_deletes_in_order"],
    "S415": [REFUSED, STATES],
    "S418": [EXPIRED, EXPIRY_TEXTS],
    "S419": [EXPIRY_TEXTS],
    "S424": [ANSWERED],
}

def exists(test):
    file, _, function = test.rpartition("::")
    path = ROOT / file
    return path.exists() and re.search(rf"fn {re.escape(function)}\b", path.read_text()) is not None


def shown_by(cells):
    event = re.match(r"`([^`]+)`", cells[2])
    tests = LINES.get(cells[0]) or (EVENTS.get(event.group(1)) if event else None)
    return tests and ", ".join(f"`{test}`" for test in tests)


def main():
    rows, faults = [], []
    for line in SOURCE.read_text().splitlines():
        if not re.match(r"\| S\d{3} ", line):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        shown = shown_by(cells)
        if not shown:
            faults.append(f"{cells[0]} {cells[1]} {cells[2]}: {cells[4]}")
            continue
        for test in re.findall(r"`([^`]+::[^`]+)`", shown):
            if not exists(test):
                faults.append(f"{cells[0]}: no test {test}")
        rows.append(f"| {cells[0]} | {cells[1]} | {cells[2]} | {cells[4]} | {shown} |")
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(f"acceptance.py: {len(faults)} lines are not assigned or name no test", file=sys.stderr)
        return 1
    TARGET.write_text(
        "# Acceptance\n\n"
        "Each line of `crates/wire/data/acceptance.md` (kinds: N namespace, C class, M method, E event, P property, R rule)\n"
        "and the tests that show it. Written by `scripts/acceptance.py`; `tests/acceptance.rs` fails when\n"
        "a line is missing or a test does not exist.\n\n"
        f"All {len(rows)} lines are shown by tests.\n\n"
        "| id | kind | item | requirement | shown by |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )
    print(f"{TARGET.relative_to(ROOT)}: {len(rows)} lines shown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
