"""Who may do what: the one table of actions, the lowest role for each, and the lowest scope of an API key.

Pages, buttons, menus and API views name an action and ask `Grant.may`. Nothing else compares roles or scopes.
docs/roles.md shows the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum


class Level(IntEnum):
    """How much a person may do in one organization. Each level includes the lower ones."""

    VIEWER = 1
    OPERATOR = 2
    MANAGER = 3
    ADMIN = 4
    SUPERUSER = 5  # of the installation, not a role in an organization


class KeyScope(IntEnum):
    """How much an API key may do. Each scope includes the lower ones."""

    READ = 1
    CALL = 2
    MANAGE = 3


ROLES = tuple(level.name.lower() for level in Level if level is not Level.SUPERUSER)  # of a membership, lowest first
V, O, M, A, S = Level  # noqa: E741 (columns of the table below)
READ, CALL, MANAGE = KeyScope


class Action(Enum):
    """An action: its words, the lowest role, and the lowest scope of a key. None: no key may do it."""

    # See.
    SEE = "see contacts, lists, campaigns, calls, results and alerts", V, READ
    SEE_SETUP = "see the organization, provider accounts, assistants and caller numbers", V, READ
    SEE_TRANSCRIPT = "see a transcript", V, READ
    EXPORT = "export lists, results and evidence", V, READ
    SEE_RAW = "see a provider's raw messages", M, None
    SEE_WEBHOOKS = "see webhook endpoints and deliveries, without secrets", M, READ
    SEE_AUDIT = "see the audit log", M, None
    SEE_KEYS = "see API keys, without the keys themselves", A, READ
    # Call.
    LAUNCH_CALL = "launch a call", O, CALL
    CANCEL_CALL = "cancel a queued call", O, CALL
    END_CALL = "end a call", O, CALL
    SETTLE_CALL = "settle an unconfirmed call: it was placed, or it may be dialed again", O, None
    MARK_ALERT = "mark an alert as seen", O, CALL
    # Campaigns and their recipients.
    RUN_CAMPAIGN = "start, pause, resume, reopen, cancel or refresh a campaign", O, CALL
    CHANGE_CAMPAIGN = "create, change, copy or delete a campaign, also its legal override", M, MANAGE
    STEER_RECIPIENT = "hold, withdraw, skip, send as is or call back a recipient", O, CALL
    # Contacts.
    HOLD_CONTACT = "hold a contact, or end the hold", O, CALL
    WRITE_NOTE = "write a note about a contact", O, CALL
    DELETE_NOTE = "delete a note about a contact", M, MANAGE
    CHANGE_CONTACT = "add, change or delete a contact", M, MANAGE
    ERASE_CONTACT = "erase a contact", M, None
    CHANGE_LIST = "create or change a contact list or a segment", O, MANAGE
    DELETE_LIST = "delete a contact list or a segment", M, MANAGE
    CHANGE_TAG = "create or rename a tag, put tags on contacts or take them off", O, MANAGE
    DELETE_TAG = "merge tags, or delete a tag", M, MANAGE
    IMPORT = "import contacts, or cancel an import", O, MANAGE
    UNDO_IMPORT = "undo an import", M, MANAGE
    CHANGE_MAPPING = "change or delete a saved mapping of columns", O, None
    BAR_NUMBER = "put numbers on the do-not-call list", O, MANAGE
    UNBAR_NUMBER = "change a do-not-call entry, or remove it", M, MANAGE
    # Setup.
    CHANGE_ACCOUNT = "add, change, check, unblock or delete a provider account, also its credentials", M, MANAGE
    CHANGE_ASSISTANT = "add, change or delete an assistant", M, MANAGE
    CHANGE_NUMBER = "add, change or delete a caller number", M, MANAGE
    ADD_SANDBOX = "add a sandbox account", M, None
    REPLAY_WEBHOOK = "send a webhook again, or send a test", M, MANAGE
    # The organization.
    STOP_CALLS = "stop all calls", O, MANAGE
    ALLOW_CALLS = "allow calls again", M, MANAGE
    CHANGE_ORGANIZATION = "change the organization's rules and budget", M, MANAGE
    DEACTIVATE = "deactivate the organization, or activate it", A, MANAGE
    CHANGE_MEMBERS = "see, add, change or remove team members, require or reset their two-step sign-in", A, None
    CHANGE_KEYS = "create, change, revoke or hand over API keys", A, MANAGE
    CHANGE_ENDPOINT = "create, change or delete a webhook endpoint", A, MANAGE
    ROTATE_SECRET = "rotate a webhook secret, which shows the new one", A, MANAGE
    # The installation.
    CREATE_ORGANIZATION = "create an organization, or see its customer", S, None
    ISSUE_CUSTOMER_KEY = "create an API key for all organizations of a customer", S, None
    ADMINISTER = "administer users, customers, workers, the task queue and sign-ins", S, None

    def __init__(self, words: str, role: Level, scope: KeyScope | None) -> None:
        self.words, self.role, self.scope = words, role, scope

    @property
    def reads(self) -> bool:
        """Return whether the action changes nothing, so that it is allowed in an inactive organization."""
        return self.scope is READ


# Whoever may run commands has the installation in hand: a command asks for no role. Each names what it does.
COMMANDS = {
    "create_organization": Action.CREATE_ORGANIZATION,
    "create_user": Action.CHANGE_MEMBERS,
    "create_api_key": Action.CHANGE_KEYS,
    "reset_two_step": Action.CHANGE_MEMBERS,
    "link_sign_in": Action.CHANGE_MEMBERS,
    "import_contacts": Action.IMPORT,
    **dict.fromkeys(
        (
            "changepassword",
            "check_zones",
            "createsuperuser",
            "demo",
            "qcluster",
            "rebuild_do_not_call",
            "reconcile_journal",
            "rotate_field_keys",
            "sandbox",
            "settings",
            "verify_audit",
            "worker",
        ),
        Action.ADMINISTER,
    ),
}


@dataclass(frozen=True)
class Grant:
    """What a caller may do in one organization: a person by role; a key by scope and by the role of its owner."""

    level: Level
    scope: KeyScope | None = None  # None: a person, not a key

    def may(self, action: Action | None) -> bool:
        """Return whether the caller may do the action. None stands for what only the program does."""
        if action is None or action.role > self.level:
            return False
        return self.scope is None or (action.scope is not None and action.scope <= self.scope)


def level_of(role: str) -> Level:
    """Return the level of a role of a membership."""
    return Level[role.upper()]


def highest(roles: Iterable[str]) -> str:
    """Return the role that includes the others."""
    return max(roles, key=level_of)


def scope_of(names: Iterable[str]) -> KeyScope:
    """Return the highest of the scopes of a key."""
    return max(KeyScope[name.upper()] for name in names)


def table() -> Iterator[str]:
    """Yield the lines of the table in docs/roles.md."""
    yield "| action | lowest role | lowest scope of a key |"
    yield "|---|---|---|"
    for action in Action:
        scope = f"`{action.scope.name.lower()}`" if action.scope else "none"
        yield f"| {action.words} | {action.role.name.lower()} | {scope} |"
