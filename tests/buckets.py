"""S3 servers to test with: moto's inside the test process, and versitygw, a real one."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from streams.runtime.processes import die_with_parent

VERSITYGW = "v1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"
_KEY, _SECRET = "test-key", "test-secret-that-must-not-be-logged"


@contextlib.contextmanager
def credentials() -> Iterator[None]:
    """Credentials as users give them, and nothing of the machine's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", _KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """URL of moto's server, in a thread."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def versitygw(folder: Path, port: int) -> Iterator[str]:
    """URL of a real S3 server over a folder; it answers once it is there."""
    program = _built()
    folder.mkdir()
    server = subprocess.Popen(
        [program, "--quiet", "--port", f"127.0.0.1:{port}", "posix", str(folder)],
        env={**os.environ, "ROOT_ACCESS_KEY": _KEY, "ROOT_SECRET_KEY": _SECRET},
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def new_bucket(endpoint: str, name: str) -> None:
    """Make a bucket; also waits for a server that is still starting."""
    config = boto3.session.Config(
        retries={"mode": "standard", "max_attempts": 8}, s3={"addressing_style": "path"}
    )
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config).create_bucket(
        Bucket=name
    )


def _built() -> str:
    """Build the server once for all runs on this machine; CI must have Go, elsewhere it skips."""
    cache = Path.home() / ".cache" / "agent-streams" / f"versitygw-{VERSITYGW}"
    program = cache / "versitygw"
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            reason = "Go is not on this machine: no real S3 server to test with"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        building = cache.with_name(f"{cache.name}-{os.getpid()}")
        subprocess.run([go, "install", _MODULE], env={**os.environ, "GOBIN": building}, check=True)
        cache.mkdir(parents=True, exist_ok=True)
        (building / "versitygw").replace(program)
        building.rmdir()
    return str(program)
