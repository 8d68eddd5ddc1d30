"""Whose an event is: the one tenant that its attributes, its key and its data name."""

import re
from collections.abc import Sequence
from functools import lru_cache

from streams.core.errors import Refused

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_tenant(name: str) -> bool:
    """Whether a name may be a tenant's.

    Examples
    --------
    >>> is_tenant("team-a.eu_1"), is_tenant(".."), is_tenant("a/b"), is_tenant("")
    (True, False, False, False)
    """
    return _TENANT.fullmatch(name) is not None and name not in (".", "..")


def agreed_tenant(tenants: Sequence[str], key: bytes | None, in_data: str | None) -> str:
    """The one tenant that the attributes, the key and the data name.

    Parameters
    ----------
    tenants : sequence of str
        What the attributes say.
    key : bytes or None
        The record's key where it names a tenant; an empty one names none.
    in_data : str or None
        ``data.tenant``.
    """
    if key and not tenants and in_data is None:
        return _tenant_of_key(key)
    named = list(tenants)
    if key:
        named.append(_key_text(key))
    if in_data is not None:
        named.append(in_data)
    if not named:
        raise Refused("tenant_missing", "neither ce_tenant nor the key nor data names a tenant")
    tenant = named[0]
    for name in named:
        _check_tenant(name)
    if any(name != tenant for name in named):
        raise Refused("tenant_mismatch", "ce_tenant, the key and data name different tenants")
    return tenant


def _check_tenant(name: str) -> str:
    if not is_tenant(name):
        raise Refused(
            "bad_tenant", "a tenant is 1 to 128 of A-Z a-z 0-9 . _ - and neither . nor .."
        )
    return name


@lru_cache(maxsize=8192)
def _tenant_of_key(key: bytes) -> str:
    return _check_tenant(_key_text(key))


def _key_text(key: bytes) -> str:
    # A key is bytes, not text: what is not UTF-8 merely names no tenant.
    return key.decode("utf-8", "replace")
