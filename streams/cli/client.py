"""How a command finds the running system and talks to its HTTP API."""

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click
import httpx
import msgspec

from streams.core.errors import ApiError, Failed, Misuse
from streams.core.tenant import is_tenant
from streams.settings import Settings, load

F = TypeVar("F", bound=Callable[..., Any])

UP_FILE = "up.json"


class Up(msgspec.Struct, frozen=True):
    """What `streams up` writes to ``DATA/up.json``, as far as other commands need it."""

    kafka: str
    api: str


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457."""

    code: str = ""
    title: str = ""
    detail: str = ""


api_option = click.option("--api", metavar="URL", help="Address of the HTTP API.")
data_option = click.option(
    "--data",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Ask what `streams replay --to DIR` has built.",
)
kafka_option = click.option("--kafka", metavar="HOST:PORT", help="Address of Kafka.")


def _tenant(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not is_tenant(name):
        raise click.BadParameter(f"{name!r} can't be a tenant: 1 to 128 of A-Z a-z 0-9 . _ -")
    return name


tenant_argument = click.argument("tenant", callback=_tenant)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_for(**options: str | None) -> Settings:
    """Settings of a command: its options (None = not given), then STREAMS_*; warnings to stderr."""
    settings, warnings = load(None, **options)
    for warning in warnings:
        click.echo(f"streams: warning: {warning}", err=True)
    return settings


def hush() -> None:
    """Let a command that works with Kafka itself say once what is wrong, not the client too."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("streams").setLevel(logging.ERROR)


def find_api(settings: Settings) -> str:
    """URL of the API: as set, else that of the running `up`."""
    url = settings.api or _find_up(settings, "--api").api
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}"
    return url.rstrip("/")


def find_kafka(settings: Settings) -> str:
    """Address of Kafka: as set, else that of the running `up`."""
    return settings.kafka or _find_up(settings, "--kafka").kafka


def _find_up(settings: Settings, option: str) -> Up:
    path = Path(settings.data) / UP_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Up)
    except FileNotFoundError:
        raise Misuse(
            f"no running `streams up` found in {settings.data}; start one, or give {option}"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise Misuse(f"can't read {path}: {error}; start `streams up`, or give {option}") from None


class Client:
    """The HTTP API of a running system; an answer that is no success raises.

    Parameters
    ----------
    settings : Settings
        Names the API, or the folder of the running `up`; its token is sent.
    transport : httpx.BaseTransport, optional
        Instead of the network.
    timeout : float
        Seconds that an answer may take.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 150,
    ) -> None:
        self.url = find_api(settings)
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {settings.token}"} if settings.token else {},
                timeout=httpx.Timeout(timeout, connect=5),
                transport=transport,
                trust_env=False,
            )
        except httpx.InvalidURL as error:
            raise Misuse(f"{self.url}: {error}") from None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, *path: str, **query: object) -> bytes:
        """Body of a GET; the path's parts are quoted, a query of None is left out."""
        return self._call("GET", path, query, None)

    def post(self, *path: str, body: object, **query: object) -> bytes:
        """Body of a POST of a JSON document."""
        return self._call("POST", path, query, body)

    def command(self, tenant: str, type_: str, data: object) -> bytes:
        """Audit record of a command, once it is done."""
        path = ("v1", "tenants", tenant, "commands")
        return self.post(*path, body={"type": type_, "data": data}, wait="true")

    def put(self, *path: str, body: object, **query: object) -> bytes:
        """Body of a PUT of a JSON document."""
        return self._call("PUT", path, query, body)

    def delete(self, *path: str, **query: object) -> bytes:
        """Body of a DELETE."""
        return self._call("DELETE", path, query, None)

    def _call(
        self, method: str, path: tuple[str, ...], query: Mapping[str, object], body: object
    ) -> bytes:
        try:
            answer = self._http.request(
                method,
                "/" + "/".join(quote(part, safe="") for part in path),
                params={name: str(value) for name, value in query.items() if value is not None},
                content=None if body is None else msgspec.json.encode(body),
                headers=None if body is None else {"Content-Type": "application/json"},
            )
        except httpx.ConnectError:
            raise Failed(f"nothing answers at {self.url}; is `streams up` running?") from None
        except httpx.TimeoutException:
            raise Failed(f"{self.url} did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(f"{self.url}: {error}") from None
        if answer.is_success:
            return answer.content
        raise _refusal(answer)


def reader(api: str | None, folder: Path | None) -> Client:
    """Client for reads: of the running system, or of a replay in a folder."""
    settings = settings_for(api=api)
    if folder is None:
        return Client(settings)
    if api is not None:
        raise Misuse("--api and --data exclude each other")
    from streams.runtime.replayed_api import URL, ReplayedApi  # noqa: PLC0415 - a worker's packages

    def told(line: str) -> None:
        click.echo(f"streams: {line}", err=True)

    transport = ReplayedApi(settings, folder, told)
    return Client(msgspec.structs.replace(settings, api=URL), transport=transport)


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    code = problem.code or "error"
    detail = problem.detail or problem.title or answer.reason_phrase
    return ApiError(answer.status_code, code, f"{code}: {detail} (HTTP {answer.status_code})")


def print_body(body: bytes) -> None:
    """Print exactly the API's body, on a line of its own."""
    sys.stdout.flush()
    sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
    sys.stdout.buffer.flush()
