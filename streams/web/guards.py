"""Without tokens, only this machine's own programs may use the API: no page of a browser's."""

import re
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.exceptions import PermissionDeniedException

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_SAME = ("same-origin", "none")


def loopback_only(request: Request[Any, Any, Any]) -> None:
    """Refuse foreign Host names (DNS rebinding) and requests of other sites' pages (CSRF).

    Raises
    ------
    PermissionDeniedException
        403 forbidden.
    """
    host = request.headers.get("host")
    if host is not None and _LOOPBACK.fullmatch(host) is None:
        raise PermissionDeniedException("this API answers to loopback names only")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise PermissionDeniedException("requests of pages of other origins are refused")
    if request.headers.get("sec-fetch-site", "none") not in _SAME and request.method != "GET":
        raise PermissionDeniedException("requests of pages of other sites are refused")
