"""UPLOADS_URL: the bucket of uploaded files, and Django's settings of its storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from config.named_servers import unfit
from config.setting_types import BOOLEAN, MASK, Type, Wrong, decoded, host_name, split
from tenants.egress.policy import PORTS, Policy

_NAME = "abcdefghijklmnopqrstuvwxyz0123456789.-"


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 server. Without a key, boto3 looks for the role of the machine."""

    name: str = ""
    host: str = ""
    port: int = 0
    tls: bool = True
    key: str = ""
    secret: str = field(default="", repr=False)
    region: str = "us-east-1"
    prefix: str = ""

    def __bool__(self) -> bool:
        return bool(self.name)

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def storage(self) -> dict[str, Any]:
        """Return Django's settings of the storage, {} without a bucket."""
        if not self:
            return {}
        options = {
            "bucket_name": self.name,
            "endpoint_url": f"{self.scheme}://{self.host}:{self.port}",
            "region_name": self.region,
            "location": self.prefix,
            "access_key": self.key or None,
            "secret_key": self.secret or None,
        }
        return {"BACKEND": "config.bucket.Storage", "OPTIONS": options}


def _read(text: str) -> Bucket:
    try:
        return _bucket(text)
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(
            "must be an address such as s3://key:secret@s3.eu-west-3.amazonaws.com/bucket?region=eu-west-3; "
            "write special characters of the secret as %2F for /."
        ) from error


def _bucket(text: str) -> Bucket:
    parts, port = split(text)
    name, _, prefix = parts.path.removeprefix("/").partition("/")
    if parts.scheme != "s3" or parts.fragment or bool(parts.username) != bool(parts.password):
        raise ValueError("scheme")
    if not 3 <= len(name) <= 63 or set(name) - set(_NAME) or not (name[0] + name[-1]).isalnum():
        raise Wrong("must have the name of a bucket after the host, as in s3://key:secret@host/bucket.")
    prefix = decoded(prefix).strip("/")
    if prefix and {"", ".", ".."} & set(prefix.split("/")):
        raise Wrong("must have a folder without . and .. after the name of the bucket.")
    options = _options(parts.query)
    tls = bool(BOOLEAN.read(options.pop("tls", "true")))
    return Bucket(
        name,
        host_name(parts.hostname or ""),
        port or PORTS["https" if tls else "http"],
        tls,
        decoded(parts.username),
        decoded(parts.password),
        prefix=prefix,
        **options,
    )


def _options(query: str) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    found = dict(given)
    if len(found) != len(given) or not found.keys() <= {"region", "tls"}:
        raise Wrong("takes only region=eu-west-3 and tls=false after the question mark, each once.")
    if not found.get("region", "x").replace("-", "").isalnum():
        raise Wrong("must name a region such as eu-west-3.")
    return found


def _show(bucket: Bucket) -> str:
    sign_in = f"{quote(bucket.key, '')}:{MASK}@" if bucket.key else ""
    folder = f"/{quote(bucket.prefix)}" if bucket.prefix else ""
    tls = "" if bucket.tls else "&tls=false"
    return f"s3://{sign_in}{bucket.host}:{bucket.port}/{bucket.name}{folder}?region={bucket.region}{tls}"


def where_uploads_go(bucket: Bucket, folder: str, policy: Policy) -> Iterator[str]:
    """Yield what is wrong with a bucket that is well written."""
    if folder:
        yield "UPLOADS_URL and UPLOADS_DIR are both given: uploads are in a bucket or in a folder, so remove one."
    yield from unfit("UPLOADS_URL", bucket.scheme, bucket.host, bucket.port, policy)


UPLOADS_URL = Type("`s3://key:secret@host/bucket`", _read, _show, Bucket())
