"""The docs page needs nothing but this server."""

import gzip
import hashlib
import re
from importlib.resources import files

import httpx

from streams.web.docs import SCRIPT

UNPACKED_SHA256 = "affbd173a65e870e18f392cca963113bcdafb6e50e88cd2f6a834a65b22db94d"


async def test_the_page_loads_only_from_here(api: httpx.AsyncClient) -> None:
    root = await api.get("/")
    assert (root.status_code, root.headers["location"]) == (302, "/schema")
    page = await api.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href|spec-url)="([^"]*)"', page.text)
    assert sorted(loaded) == ["/openapi.json", f"/schema/{SCRIPT}", "data:,"]
    for address in ("/openapi.json", f"/schema/{SCRIPT}"):
        assert (await api.get(address)).status_code == 200


async def test_the_script_is_the_one_that_was_shipped(api: httpx.AsyncClient) -> None:
    for encoding in ("gzip", "identity"):
        answer = await api.get(f"/schema/{SCRIPT}", headers={"Accept-Encoding": encoding})
        assert answer.headers["content-type"].startswith("text/javascript")
        assert ("content-encoding" in answer.headers) is (encoding == "gzip")
        assert hashlib.sha256(answer.content).hexdigest() == UNPACKED_SHA256


def test_the_script_has_its_licence() -> None:
    static = files("streams.web").joinpath("static")
    script = gzip.decompress(static.joinpath(f"{SCRIPT}.gz").read_bytes())
    assert b"RapiDoc" in script
    assert "MIT" in static.joinpath("rapidoc-LICENSE.txt").read_text("utf-8")
