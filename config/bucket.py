"""Uploaded files in a bucket of an S3 server, which web processes and workers on several machines share.

boto3 opens these connections, and not `tenants/egress/`: it signs each request, and it leads to the one server that the
operator has named in UPLOADS_URL. No team member and no provider can give it another address.
"""

from __future__ import annotations

import errno
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from django.core.files import File
from storages.backends.s3 import S3Storage

from config import authorities

IN_MEMORY = 8 * 1024 * 1024  # bytes of an upload; more are collected on the disk before they are sent
PIECE = 4 * 1024 * 1024  # bytes that one request reads
ONE_REQUEST = 5 * 1024**3  # bytes: so a file is there whole or not at all, and no parts of one are left behind
WITHIN = 10.0  # seconds of silence; an import waits for a step to be written while it holds locks
PROBED = "ready"  # the object that a probe writes
GOOD_FOR, BAD_FOR = 60.0, 5.0  # seconds for which the result of a probe is kept


def _config(seconds: float, attempts: int) -> Config:
    return Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        connect_timeout=min(seconds, 5),
        read_timeout=seconds,
        proxies={},  # not those of the environment: as for every connection of ours
        retries={"mode": "standard", "total_max_attempts": attempts},
        # Servers other than Amazon's do not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


class BucketFailed(OSError):
    """The server of the bucket did not answer, or refused. The text has no secret."""


@contextmanager
def _as_os_errors(name: str = "") -> Iterator[None]:
    """Raise FileNotFoundError and BucketFailed: who reads and writes files knows the errors of files alone."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404 and name and error.response["Error"].get("Code") != "NoSuchBucket":
            raise FileNotFoundError(errno.ENOENT, "No such file", name) from error
        code = error.response["Error"].get("Code", "")[:40]
        why = f"{status}" if code == f"{status}" else f"{status} {code}"  # an answer to HEAD has no code
        raise BucketFailed(errno.EHOSTDOWN, f"the bucket's server refused ({why})") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise BucketFailed(errno.EHOSTDOWN, f"the bucket's server did not answer ({type(error).__name__})") from error


class Storage(S3Storage):
    """Files of the bucket. Each is written by one request, and read in pieces: an import begins anywhere in it.

    Raises FileNotFoundError, and BucketFailed for everything else. A name that is taken is overwritten: ours are
    random.
    """

    def __init__(self, **options: Any) -> None:
        transfer = TransferConfig(multipart_threshold=ONE_REQUEST, use_threads=False)
        ours = {"client_config": _config(WITHIN, 2), "transfer_config": transfer, "verify": authorities.bundle()}
        super().__init__(**{**ours, **options})
        self._options = options
        self._probe = threading.Lock()
        self._probed: tuple[float, str] = (0.0, "")

    def wrong(self) -> str:
        """Return why no file can be stored, or "". It writes an object, at most once a minute while that succeeds."""
        with self._probe:
            until, why = self._probed
            if time.monotonic() < until:
                return why
            quick = Storage(**self._options, client_config=_config(3, 1))
            try:
                quick.save(PROBED, File(io.BytesIO(b"")))
                why = ""
            except OSError as error:
                why = str(error.strerror)
            self._probed = time.monotonic() + (BAD_FOR if why else GOOD_FOR), why
            return why

    def _open(self, name: str, mode: str = "rb") -> File:  # type: ignore[type-arg]
        if mode not in ("r", "rb"):
            raise ValueError("Objects are written whole, by `save`.")
        with _as_os_errors(name):
            found = self.bucket.Object(self._normalize_name(name))
            found.load()
        return File(io.BufferedReader(_Pieces(found), PIECE), name=name)

    def _save(self, name: str, content: File) -> str:  # type: ignore[type-arg]
        with SpooledTemporaryFile(IN_MEMORY) as whole:
            for piece in content.chunks():
                whole.write(piece)
            whole.seek(0)
            with _as_os_errors():
                return str(super()._save(name, File(whole)))

    def delete(self, name: str) -> None:
        with _as_os_errors():
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _as_os_errors():
            return bool(super().exists(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with _as_os_errors():
            folders, files = super().listdir(path)
        return folders, files

    def size(self, name: str) -> int:
        with _as_os_errors(name):
            return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        with _as_os_errors(name):
            found: datetime = super().get_modified_time(name)
        return found


class _Pieces(io.RawIOBase):
    """An object as a binary file. Each read is a request for a range of the version that was there when it opened."""

    def __init__(self, found: Any) -> None:
        self._object, self._etag, self._size, self._at = found, found.e_tag, int(found.content_length), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        with _as_os_errors(self._object.key):
            answer = self._object.get(Range=f"bytes={self._at}-{end - 1}", IfMatch=self._etag)
            body = answer["Body"].read()
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)
