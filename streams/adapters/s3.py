"""Objects in an S3 bucket, by boto3: credentials, regions and retries are the usual ones of AWS."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import msgspec
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from streams.core.errors import ObjectMissing, ObjectStoreError
from streams.core.time import EPOCH
from streams.ports import StoredObject

log = logging.getLogger(__name__)

PART_BYTES = 64 << 20
DELETED_AT_ONCE = 1000
"""As many names as S3 takes in one request."""
_ABSENT = ("NoSuchKey", "404", "NotFound")
_EXISTS = ("PreconditionFailed", "412")
_NO_CONDITIONS = ("NotImplemented", "501", "InvalidArgument", "InvalidRequest")


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Where the objects are."""

    name: str
    endpoint: str = ""
    """URL; empty: AWS."""
    addressing: str = "auto"
    """path | virtual | auto: path where an endpoint is given."""
    sse: str = ""
    """AES256 | aws:kms | aws:kms:dsse; empty: as the bucket is set."""
    sse_key: str = ""
    """Of KMS; empty: the account's own."""


class S3Store:
    """`streams.ports.ObjectStore` of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        addressing = bucket.addressing
        if addressing == "auto" and bucket.endpoint:
            addressing = "path"
        session = boto3.session.Session()
        config = Config(
            retries={"mode": "standard", "max_attempts": 6},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=16,
            s3={"addressing_style": addressing},
            # Files are checked by their own sha256; not every server knows the checksums of AWS.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        with self._told(""):
            self._client: Any = session.client(
                "s3",
                endpoint_url=bucket.endpoint or None,
                region_name=session.region_name or ("us-east-1" if bucket.endpoint else None),
                config=config,
            )
        self._sealed: dict[str, str] = {}
        if bucket.sse:
            self._sealed["ServerSideEncryption"] = bucket.sse
        if bucket.sse_key:
            self._sealed["SSEKMSKeyId"] = bucket.sse_key
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )
        self._conditions = True

    @property
    def where(self) -> str:
        at = f" at {self._bucket.endpoint}" if self._bucket.endpoint else ""
        return f"bucket {self._bucket.name}{at}"

    def put(self, name: str, data: bytes | Path) -> None:
        with self._told(name):
            if isinstance(data, Path):
                self._client.upload_file(
                    str(data),
                    self._bucket.name,
                    name,
                    ExtraArgs=self._sealed or None,
                    Config=self._transfer,
                )
            else:
                self._put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one of this name.

        Looked up first, since some servers ignore the condition. Where it does not hold, two that
        write at the same moment both think that they did and the later one's bytes stay; for
        manifests that is as good: of one name, both say the same state.
        """
        with self._told(name):
            if self._exists(name):
                return False
            if not self._conditions:
                self._put(name, data)
                return True
            try:
                self._put(name, data, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                if _code(error) not in _NO_CONDITIONS:
                    raise
                log.warning("%s does not write if absent: looking first instead", self.where)
                self._conditions = False
                self._put(name, data)
        return True

    def get(self, name: str) -> bytes:
        with self._told(name):
            body: bytes = self._client.get_object(Bucket=self._bucket.name, Key=name)["Body"].read()
            return body

    def fetch(self, name: str, path: Path) -> None:
        with self._told(name):
            self._client.download_file(self._bucket.name, name, str(path), Config=self._transfer)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._told(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket.name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    modified = int((found["LastModified"] - EPOCH).total_seconds()) * 1_000_000
                    yield StoredObject(found["Key"], found["Size"], modified)

    def delete(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), DELETED_AT_ONCE):
            some = names[start : start + DELETED_AT_ONCE]
            with self._told(some[0]):
                answer = self._client.delete_objects(
                    Bucket=self._bucket.name,
                    Delete={"Objects": [{"Key": name} for name in some], "Quiet": True},
                )
            for error in answer.get("Errors", ()):
                raise ObjectStoreError(
                    f"{self.where}: {error.get('Key')}: {error.get('Code')} when deleting"
                )

    def _put(self, name: str, data: bytes, **condition: str) -> None:
        self._client.put_object(
            Bucket=self._bucket.name, Key=name, Body=data, **self._sealed, **condition
        )

    def _exists(self, name: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket.name, Key=name)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return False
            raise
        return True

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Turn the errors of boto3 into one line each; they hold no credentials."""
        try:
            yield
        except ClientError as error:
            if _code(error) in _ABSENT:
                raise ObjectMissing(f"{self.where}: there is no {name}") from None
            what = error.response.get("Error", {}).get("Message") or "no reason given"
            raise ObjectStoreError(f"{self.where}: {name}: {_code(error)}: {_line(what)}") from None
        except (BotoCoreError, Boto3Error, OSError, ValueError) as error:
            raise ObjectStoreError(f"{self.where}: {name}: {_line(str(error))}") from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _line(text: str) -> str:
    return " ".join(text.split())
