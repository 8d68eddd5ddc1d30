"""Java and jars are found without the network, and a lack of them is said in one clear line."""

import datetime
import http.server
import json
import socket
import ssl
import stat
import threading
from pathlib import Path

import jgo
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from streams.core.errors import Failed
from streams.dev import jars as subject


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("_no_network")
def test_a_later_start_needs_no_network(kafka: str) -> None:
    found = subject.jars()
    names = {jar.name for jar in found}
    assert f"kafka_2.13-{subject.KAFKA_VERSION}.jar" in names  # from jgo's folder jars/
    assert f"kafka-clients-{subject.KAFKA_VERSION}.jar" in names  # from its folder modules/


def test_fetches_once_and_remembers(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    for name in ("jars/a.jar", "modules/b.jar"):
        (tmp_path / "env" / name).parent.mkdir(parents=True)
        (tmp_path / "env" / name).write_bytes(b"jar")

    class Built:
        path = tmp_path / "env"

    def build(coordinates: str, **_: object) -> Built:
        fetched.append(coordinates)
        return Built()

    monkeypatch.setattr(jgo, "build", build)
    assert [jar.name for jar in subject.jars()] == ["a.jar", "b.jar"]
    assert [jar.name for jar in subject.jars()] == ["a.jar", "b.jar"]
    assert fetched == [subject.COORDINATES]
    (tmp_path / "env" / "jars" / "a.jar").write_bytes(b"half")
    assert subject.cached_jars() is None
    subject.jars()
    assert len(fetched) == 2


def test_trusts_whom_the_machine_trusts(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _own_authority(tmp_path / "own.pem")
    server = http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"https://localhost:{server.server_port}/"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # stands for the machine's store
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    class Built:
        path = tmp_path / "env"

    def build(*_: object, **__: object) -> Built:
        requests.get(url, timeout=10).raise_for_status()
        return Built()

    monkeypatch.setattr(jgo, "build", build)
    try:
        assert subject.jars() == []
        with pytest.raises(requests.exceptions.SSLError):
            build()  # only while jars are fetched
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _own_authority(path: Path) -> Path:
    """Write a certificate of localhost that nobody else has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2000, 1, 1))
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(pem))
    return path


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"coordinates": "old", "jars": {}}', '{"jars": 3}']
)
def test_a_broken_memory_is_no_memory(cache: Path, text: str) -> None:
    subject.remembered().parent.mkdir(parents=True)
    subject.remembered().write_text(text)
    assert subject.cached_jars() is None


def test_a_jar_that_is_gone_is_no_memory(cache: Path) -> None:
    known = {"coordinates": subject.COORDINATES, "jars": {str(cache / "gone.jar"): 3}}
    subject.remembered().parent.mkdir(parents=True)
    subject.remembered().write_text(json.dumps(known))
    assert subject.cached_jars() is None


def test_says_that_the_first_start_needs_the_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(jgo, "build", build)
    with pytest.raises(Failed, match=r"no route\): the first start needs the network.*--kafka"):
        subject.jars()


def test_finds_a_java_that_is_new_enough() -> None:
    found = subject.java()
    version = subject.java_version(found)
    assert version is not None
    assert version >= subject.OLDEST_JAVA


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('openjdk version "25.0.2" 2026-01-20', 25),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "17" 2021-09-14', 17),
        ("no java here", None),
    ],
)
def test_reads_the_version(tmp_path: Path, said: str, found: int | None) -> None:
    fake = tmp_path / "java"
    fake.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    assert subject.java_version(fake) == found


def test_says_how_to_get_a_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'java version \"1.8.0_392\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setattr(subject, "_javas", lambda: iter([old]))
    with pytest.raises(Failed, match=r"Java 17 or newer .*is version 8.*pip install"):
        subject.java()
    monkeypatch.setattr(subject, "_javas", lambda: iter([]))
    with pytest.raises(Failed, match="none found"):
        subject.java()
