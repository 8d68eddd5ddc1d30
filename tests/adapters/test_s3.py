"""What is S3's own: encryption, servers without conditions, errors in one line."""

import logging
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError

from streams.adapters.s3 import Bucket, S3Store
from streams.core.errors import ObjectStoreError


def head(bucket: Bucket, name: str) -> dict[str, Any]:
    client = boto3.client("s3", endpoint_url=bucket.endpoint, region_name="us-east-1")
    found: dict[str, Any] = client.head_object(Bucket=bucket.name, Key=name)
    return found


def test_encryption_is_asked_for_with_every_object(bucket: Bucket, tmp_path: Any) -> None:
    store = S3Store(msgspec.structs.replace(bucket, sse="aws:kms", sse_key="key-1"))
    file = tmp_path / "file"
    file.write_bytes(b"x")
    store.put("bytes", b"x")
    store.put("file", file)
    assert store.put_if_absent("once", b"x")
    for name in ("bytes", "file", "once"):
        found = head(bucket, name)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "key-1")


def test_without_the_setting_the_bucket_decides(bucket: Bucket) -> None:
    S3Store(bucket).put("plain", b"x")
    assert head(bucket, "plain").get("ServerSideEncryption") in (None, "AES256")


def test_a_server_without_conditions_is_looked_at_first(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = S3Store(bucket)
    put, conditions = store._client.put_object, []

    def refusing(**request: Any) -> Any:
        if "IfNoneMatch" in request:
            conditions.append(request["Key"])
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
        return put(**request)

    monkeypatch.setattr(store._client, "put_object", refusing)
    with caplog.at_level(logging.WARNING):
        assert store.put_if_absent("a", b"1")
        assert not store.put_if_absent("a", b"2")
        assert store.put_if_absent("b", b"1")
    assert (store.get("a"), conditions) == (b"1", ["a"])
    assert "looking first" in caplog.text


def test_the_condition_itself_is_what_counts(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer came between looking and writing."""
    store = S3Store(bucket)
    store.put("a", b"1")
    monkeypatch.setattr(store, "_exists", lambda name: False)
    assert not store.put_if_absent("a", b"2")
    assert store.get("a") == b"1"


def test_a_wrong_bucket_is_one_line_without_secrets(bucket: Bucket) -> None:
    store = S3Store(msgspec.structs.replace(bucket, name="not-there"))
    with pytest.raises(ObjectStoreError) as told:
        store.put("a", b"1")
    text = str(told.value)
    assert text.startswith(f"bucket not-there at {bucket.endpoint}: a: NoSuchBucket: ")
    assert "\n" not in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("endpoint", "addressing", "style"),
    [("", "auto", "auto"), ("http://h:1", "auto", "path"), ("http://h:1", "virtual", "virtual")],
)
def test_servers_that_are_not_aws_are_asked_by_path(
    s3: str, endpoint: str, addressing: str, style: str
) -> None:
    del s3
    monkey = pytest.MonkeyPatch()
    monkey.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    try:
        store = S3Store(Bucket(name="b", endpoint=endpoint, addressing=addressing))
    finally:
        monkey.undo()
    assert store._client.meta.config.s3["addressing_style"] == style
    assert store._client.meta.region_name == "eu-central-1"


def test_a_wrong_endpoint_is_told(s3: str) -> None:
    with pytest.raises(ObjectStoreError, match="no url"):
        S3Store(Bucket(name="b", endpoint="no url"))
