"""No page of a browser's reaches the API, not even by a name that resolves to loopback."""

import httpx
import pytest

MESSAGES = "/v1/tenants/t1/messages"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8080"}, 202),
        ({"Host": "127.1.2.3"}, 202),
        ({"Host": "localhost:8080"}, 202),
        ({"Host": "LocalHost"}, 202),
        ({"Host": "[::1]:8080"}, 202),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost.evil.example:80"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": "localhost:80", "Origin": "http://localhost:80"}, 202),
        ({"Host": "localhost:80", "Origin": "http://localhost:81"}, 403),
        ({"Host": "localhost:80", "Origin": "https://evil.example"}, 403),
        ({"Host": "localhost:80", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_who_may_write(api: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    answer = await api.post(MESSAGES, json={}, headers=headers)
    assert answer.status_code == status
    assert (status == 202) or answer.json()["code"] == "forbidden"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
async def test_who_may_read(api: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """A link from another page may open the docs; a script of it reads nothing."""
    for path in ("/healthz", "/schema", "/openapi.json"):
        assert (await api.get(path, headers=headers)).status_code == status
