from __future__ import annotations

import io
import secrets
import shutil
import signal
import sys
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from calls.actions.campaigns import start
from calls.models import OPEN, Call
from campaigns.imports import upload
from campaigns.models import Campaign, ContactImport, ContactList, Recipient
from config.demo import environment, sample, verdict
from config.demo.processes import GUNICORN, MANAGE, Processes
from tenants.models import Membership, Organization

SETTLED = (Recipient.Status.DONE, Recipient.Status.SKIPPED, Recipient.Status.REVIEW, Recipient.Status.WITHDRAWN)


class Command(BaseCommand):
    help = "Import sample contacts, run a campaign over each sandbox provider, and show the progress."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="End with a table of outcomes when the campaigns are finished."
        )
        parser.add_argument("--contacts", type=int, default=50, help="Contacts per provider (default 50, at most 120).")
        parser.add_argument("--port", type=int, help="Port of the admin (default 8000, or a free port).")
        parser.add_argument(
            "--timeout", type=int, default=600, help="With --once: seconds after which to stop waiting (default 600)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["contacts"] <= 120:
            raise CommandError("--contacts takes a number from 1 to 120.")
        self._fresh_database()
        processes = Processes()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._run(processes, options)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping.")
        finally:
            processes.stop()

    def _fresh_database(self) -> None:
        if settings.DATABASES["default"]["NAME"] == str(environment.DATABASE):
            if not environment.alone():
                raise CommandError("Another demo is running in this directory. Stop it first, or set DATABASE_URL.")
            for suffix in ("", "-wal", "-shm"):
                environment.DATABASE.with_name(environment.DATABASE.name + suffix).unlink(missing_ok=True)
            shutil.rmtree(environment.JOURNAL, ignore_errors=True)  # that of the database before
        call_command("migrate", verbosity=0)
        if Organization.objects.exists():
            raise CommandError("This database is not empty. The demo needs an empty one: unset DATABASE_URL.")

    def _run(self, processes: Processes, options: dict[str, Any]) -> None:
        sandbox_url = processes.start_sandbox()
        organization = sample.organization()
        assistants = sample.set_up(organization, sandbox_url)
        email, password = self._sign_in(organization)
        listen = settings.PUBLIC_BASE_URL.removeprefix("http://")
        web = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", GUNICORN, "--bind", listen]
        processes.start("web", [*web, "--log-level", "warning", "--no-control-socket"])
        processes.start("worker", [sys.executable, MANAGE, "worker"])
        self.stdout.write(f"\n  Admin     {settings.PUBLIC_BASE_URL}/admin/")
        self.stdout.write(f"  Sign in   {email}  {password}")
        self.stdout.write(f"  Sandbox   {sandbox_url}/journal\n\n")
        self.stdout.flush()

        contacts = self._import(processes, organization, options["contacts"])
        campaigns = [sample.campaign(assistant, contacts) for assistant in assistants]
        for campaign in campaigns:
            start(campaign, actor="demo")
        self._follow(processes, campaigns, options["timeout"] if options["once"] else None)
        self._report(organization, sandbox_url)
        if not options["once"]:
            self.stdout.write("The admin stays open. Press Ctrl-C to stop.")
            while True:
                time.sleep(1)
                processes.restart_dead()

    def _sign_in(self, organization: Organization) -> tuple[str, str]:
        email, password = "demo@example.org", secrets.token_urlsafe(9)
        user = get_user_model().objects.create_user(email, email, password, is_staff=True)
        Membership.objects.create(user=user, organization=organization, role=Membership.Role.ADMIN)
        return email, password

    def _import(self, processes: Processes, organization: Organization, each: int) -> ContactList:
        contacts = ContactList.objects.create(organization=organization, name="Sample contacts")
        content = sample.contacts_csv(each)
        imp = upload.start_import(contacts, io.BytesIO(content), "sample-contacts.csv")
        with tqdm(total=len(content), desc="Importing contacts", unit="B", unit_scale=True, file=sys.stderr) as bar:
            while imp.status in (ContactImport.Status.PENDING, ContactImport.Status.RUNNING):
                time.sleep(0.2)
                processes.restart_dead()
                imp.refresh_from_db()
                bar.update(imp.bytes_read - bar.n)
        if imp.status != ContactImport.Status.COMPLETED:
            raise CommandError(f"The import {imp.status}: {imp.error}")
        self.stdout.write(f"{imp.created} contacts imported, {imp.rejected} rows rejected.")
        return contacts

    def _follow(self, processes: Processes, campaigns: list[Campaign], timeout: int | None) -> None:
        """Show progress bars until all campaigns are finished and no call is open."""
        deadline = time.monotonic() + (timeout or 10**9)
        bars = [
            tqdm(desc=c.name.ljust(36), total=1, unit="", file=sys.stderr, position=i) for i, c in enumerate(campaigns)
        ]
        try:
            while time.monotonic() < deadline:
                processes.restart_dead()
                unfinished = False
                for campaign, bar in zip(campaigns, bars, strict=True):
                    campaign.refresh_from_db()
                    recipients = campaign.recipients
                    bar.total = max(1, recipients.count())
                    bar.update(recipients.filter(status__in=SETTLED).count() - bar.n)
                    unfinished |= campaign.status != Campaign.Status.FINISHED
                    unfinished |= Call.objects.filter(campaign=campaign, status__in=OPEN).exists()
                if not unfinished:
                    return
                time.sleep(0.5)
        finally:
            for bar in bars:
                bar.close()

    def _report(self, organization: Organization, sandbox_url: str) -> None:
        found = verdict.judge(organization, verdict.journal(sandbox_url), max_attempts=2)
        statuses = sorted({status for counts in found.table.values() for status in counts})
        self.stdout.write("\n" + "Provider".ljust(18) + "".join(status.rjust(13) for status in statuses))
        for provider, counts in found.table.items():
            self.stdout.write(provider.ljust(18) + "".join(str(counts[status]).rjust(13) for status in statuses))
        self.stdout.write(f"\n{found.dials} dials in the sandbox's journal, {len(found.faults)} not as promised.")
        for fault in found.faults:
            self.stdout.write(f"  {fault}")
        self.stdout.flush()
        if found.faults and "--once" in sys.argv:
            raise CommandError("The stored calls differ from the sandbox's journal.")
