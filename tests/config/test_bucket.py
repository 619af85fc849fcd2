"""Uploads in a bucket: what web and worker on different machines need of it, over real sockets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.models import Heartbeat
from campaigns.imports import growing_files, rejected_rows
from campaigns.imports.job import run_step
from campaigns.imports.retention import forget
from campaigns.imports.stored_files import as_binary
from campaigns.imports.upload import FileTooLarge, start_import
from campaigns.models import Contact, ContactImport, ContactList
from config.bucket import BucketFailed
from config.environment import read
from tenants.models import Organization
from tests.buckets import BUCKET, SECRET, Bucket, serving
from tests.campaigns.test_import_job import counts, many, rejected, run
from tests.config.test_starting import started
from tests.conftest import examples
from tests.test_environment import GIVEN, NOWHERE

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def _running() -> Iterator[Bucket]:
    with serving() as bucket:
        yield bucket


@pytest.fixture
def server(_running: Bucket) -> Bucket:
    """An empty bucket that answers, whatever the test before did to it."""
    _running.objects.clear()
    _running.requests.clear()
    _running.refuses = 0
    return _running


@pytest.fixture
def bucket(server: Bucket, settings: Any) -> Bucket:
    """A bucket that is the storage of uploads, as the setting makes it. Nothing can be written to the folder."""
    settings.MEDIA_ROOT = "/proc/nowhere"
    settings.STORAGES = {**settings.STORAGES, "default": storage_of(server.url)}
    return server


def storage_of(url: str) -> dict[str, Any]:
    return read(NOWHERE, GIVEN | {"ALLOW_LOOPBACK_URLS": "true", "UPLOADS_URL": url}).uploads_url.storage


@pytest.fixture
def contact_list(organization: Organization) -> ContactList:
    return ContactList.objects.create(organization=organization, name="Patients")


def take(contact_list: ContactList, data: bytes) -> ContactImport:
    return start_import(contact_list, io.BytesIO(data), "list.csv")


def downloaded(imp: ContactImport) -> bytes:
    return b"".join(rejected_rows.download(imp, "", "rejected.csv"))


def test_an_import_gives_the_same_contacts_and_the_same_file_as_in_a_folder(
    contact_list: ContactList, settings: Any, server: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.imports.job.BATCH", 50)
    whole = run(take(contact_list, many(600)))
    expected, rows = counts(whole), rejected(whole, settings.MEDIA_ROOT)
    people = set(Contact.objects.values_list("phone", "name"))
    in_folder = (settings.MEDIA_ROOT / str(whole.rejected_file.name)).read_bytes()
    ContactImport.objects.all().delete()
    Contact.objects.all().delete()
    settings.STORAGES = {**settings.STORAGES, "default": storage_of(server.url)}
    imp = run(take(contact_list, many(600)))
    assert (counts(imp), imp.status) == (expected, "completed")
    assert set(Contact.objects.values_list("phone", "name")) == people
    assert downloaded(imp) == in_folder and len(rows) == 61
    assert len({name for name in server.objects if growing_files.whole_name(name) != name}) > 5, "many steps"


def test_a_step_that_was_never_committed_is_not_read_and_is_replaced(
    bucket: Bucket, contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.imports.job.BATCH", 50)
    imp = take(contact_list, many(200))
    run_step(imp.pk, 0)
    imp.refresh_from_db()
    before = downloaded(imp)
    assert len(before) == imp.rejected_bytes > 0
    growing_files.write_at(str(imp.rejected_file.name), imp.rejected_bytes, b"half a row" * 1000)
    assert downloaded(imp) == before
    imp = run(imp)
    assert b"half a row" not in downloaded(imp) and downloaded(imp).startswith(before)


@examples(6)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=3))
def test_steps_read_as_the_bytes_that_were_written_last_at_each_offset(
    bucket: Bucket, pieces: list[bytes], repeated: list[int]
) -> None:
    bucket.objects.clear()
    name, offset = "imports/a.rejected", 0
    for number, piece in enumerate(pieces):
        if number in repeated:
            growing_files.write_at(name, offset, piece + b"died")
        growing_files.write_at(name, offset, piece)
        offset += len(piece)
    assert growing_files.opened(name, offset).read() == b"".join(pieces)
    assert growing_files.opened(name, offset - 1).read() == b"".join(pieces)[:-1]
    growing_files.delete(name)
    assert bucket.objects == {}


@examples(6)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 120)), max_size=5))
def test_an_object_is_read_from_anywhere_as_a_file_is(
    bucket: Bucket, data: bytes, reads: list[tuple[int, int]]
) -> None:
    default_storage.save("imports/b", ContentFile(data))
    with default_storage.open("imports/b") as stored:
        file, same = as_binary(stored), io.BytesIO(data)
        for offset, size in reads:
            assert file.seek(offset) == same.seek(offset)
            assert file.read(size) == same.read(size)
        assert file.seek(0, io.SEEK_END) == len(data)
    assert default_storage.size("imports/b") == len(data)


def test_only_the_pieces_that_are_read_are_asked_for(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.bucket.PIECE", 1000)
    default_storage.save("imports/c", ContentFile(b"x" * 10_000))
    bucket.requests.clear()
    with default_storage.open("imports/c") as stored:
        stored.seek(9_500)
        assert len(stored.read(100)) == 100
    assert bucket.requests == [("HEAD", "imports/c"), ("GET", "imports/c")]


def test_an_upload_that_is_too_large_leaves_nothing(bucket: Bucket, contact_list: ContactList, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 100_000
    with pytest.raises(FileTooLarge):
        take(contact_list, many(20_000))
    assert bucket.objects == {} and not ContactImport.objects.exists()


def test_a_file_that_is_not_there_is_told_as_with_a_folder(bucket: Bucket, contact_list: ContactList) -> None:
    imp = take(contact_list, many(10))
    bucket.objects.clear()
    assert run(imp).error == "The uploaded file is gone; upload it again."
    for ask in (default_storage.open, default_storage.size, default_storage.get_modified_time):
        with pytest.raises(FileNotFoundError):
            ask("imports/nothing")
    assert not default_storage.exists("imports/nothing")
    assert default_storage.listdir("imports") == ([], [])
    default_storage.delete("imports/nothing")


def test_old_files_are_deleted_and_steps_of_a_kept_one_are_no_strays(
    bucket: Bucket, contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.imports.job.BATCH", 50)
    imp = run(take(contact_list, many(300)))
    text, long_ago = downloaded(imp), datetime.now(UTC) - timedelta(days=60)
    for name, (data, _) in list(bucket.objects.items()):
        bucket.written(name, data, long_ago)
    for name in ("imports/stray", "imports/x.rejected", "imports/x.rejected.000000000000123", "previews/y"):
        bucket.written(name, b"x", long_ago)
    forget(timezone.now())
    imp.refresh_from_db()
    assert downloaded(imp) == text
    assert {growing_files.whole_name(name) for name in bucket.objects} == {imp.file.name, imp.rejected_file.name}
    ContactImport.objects.update(finished_at=long_ago)
    forget(timezone.now())
    assert bucket.objects == {}


def test_a_bucket_that_fails_is_told_and_takes_no_process_out_of_service(bucket: Bucket, settings: Any) -> None:
    Heartbeat.objects.create(worker="w", slot=0, run="r")

    def said(url: str) -> Any:
        settings.STORAGES = {**settings.STORAGES, "default": storage_of(url)}
        answer = Client().get("/readyz", REMOTE_ADDR="127.0.0.1")
        assert answer.status_code == 200
        return answer.json()["storage"]

    assert said(bucket.url) == {"ok": True, "message": ""}
    assert list(bucket.objects) == ["ready"]
    wrong = {
        bucket.url.replace(BUCKET, "another-bucket"): "the bucket's server refused (404 NoSuchBucket)",
        bucket.url.replace("AKIA", "AXIA"): "the bucket's server refused (403 InvalidAccessKeyId)",
        bucket.url.replace(f":{bucket.port}/", ":1/"): "the bucket's server did not answer (EndpointConnectionError)",
    }
    for url, why in wrong.items():
        found = said(url)
        assert found["ok"] and found["message"] == (
            f"Uploads cannot be stored: {why}. Look at the server and the key of UPLOADS_URL."
        )
    assert SECRET not in str(wrong)


def test_a_probe_that_succeeded_is_not_repeated_at_once(bucket: Bucket) -> None:
    for _ in range(3):
        assert storages["default"].wrong() == ""  # type: ignore[attr-defined]
    assert bucket.requests == [("PUT", "ready")]


def test_pages_say_that_files_cannot_be_reached(bucket: Bucket, contact_list: ContactList) -> None:
    imp = run(take(contact_list, many(30)))
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root@example.org"))
    page = f"/admin/campaigns/contactimport/{imp.pk}/change/"
    assert client.get(page).status_code == 200
    bucket.refuses = 403
    answer = client.get(page)
    assert answer.status_code == 503
    assert "The uploaded files cannot be reached at present" in answer.content.decode()
    with pytest.raises(BucketFailed):
        default_storage.open("imports/a")


def test_an_import_goes_on_when_the_bucket_is_back(
    bucket: Bucket, contact_list: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.imports.job.BATCH", 50)
    imp = take(contact_list, many(200))
    run_step(imp.pk, 0)
    bucket.refuses = 403
    with pytest.raises(BucketFailed):
        run_step(imp.pk, 0)
    bucket.refuses = 0
    ContactImport.objects.update(lease_until=None)  # its time is over
    imp = run(imp)
    assert (imp.status, imp.rows_read, imp.rejected) == ("completed", 200, 20)
    assert downloaded(imp).count(b"\n") == 21


def test_files_are_below_the_folder_of_the_setting(bucket: Bucket, settings: Any) -> None:
    url = bucket.url.replace(f"/{BUCKET}", f"/{BUCKET}/clinic/files")
    settings.STORAGES = {**settings.STORAGES, "default": storage_of(url)}
    default_storage.save("imports/a", ContentFile(b"x"))
    assert list(bucket.objects) == ["clinic/files/imports/a"]
    assert default_storage.listdir("imports") == ([], ["a"])
    assert default_storage.open("imports/a").read() == b"x"


def test_nothing_is_written_to_the_folder_of_uploads(bucket: Bucket, contact_list: ContactList) -> None:
    assert not Path("/proc/nowhere").exists()
    assert run(take(contact_list, many(20))).status == "completed"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_on_another_machine_reads_what_a_web_process_took_in(
    bucket: Bucket, contact_list: ContactList, settings: Any
) -> None:
    """Another process, which shares the database, the keys and the bucket with this one, and no folder."""
    imp = take(contact_list, many(40))
    there = connection.settings_dict
    address = f"postgresql://{there['USER']}@{there['HOST']}:{there['PORT']}/{there['NAME']}"
    sqlite = connection.vendor == "sqlite"
    more = {
        "DATABASE_URL": f"sqlite:///{there['NAME']}" if sqlite else address,
        "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
        "ALLOW_LOOPBACK_URLS": "true",
        "UPLOADS_URL": bucket.url,
    }
    step = f"import django; django.setup(); from campaigns.imports.job import run_step; print(run_step({imp.pk}))"
    status, said = started(["-c", step], DJANGO_SETTINGS_MODULE="config.settings", **more)
    assert (status, said.strip()) == (0, "True"), said
    imp.refresh_from_db()
    assert (imp.status, imp.rejected) == ("completed", 4)
    assert downloaded(imp).count(b"\n") == 5
