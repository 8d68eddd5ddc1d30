"""Whose an event is."""

import pytest

from streams.core.errors import REFUSAL_CODES, Refused
from streams.core.tenant import agreed_tenant


@pytest.mark.parametrize(
    ("tenants", "key", "in_data", "expected"),
    [
        ((), b"t1", None, "t1"),
        (("t1",), None, None, "t1"),
        (("t1",), b"", None, "t1"),
        ((), None, "t1", "t1"),
        (("t1", "t1"), b"t1", "t1", "t1"),
        ((), b"a" * 128, None, "a" * 128),
        ((), b"...", None, "..."),
        ((), None, None, "tenant_missing"),
        ((), b"", None, "tenant_missing"),
        (("",), None, None, "bad_tenant"),
        (("t1",), b"a b", None, "bad_tenant"),
        ((), None, "", "bad_tenant"),
        ((), b".", None, "bad_tenant"),
        ((), b"t1\n", None, "bad_tenant"),
        ((), "é".encode(), None, "bad_tenant"),
        ((), b"\xff", None, "bad_tenant"),
        ((), b"a" * 129, None, "bad_tenant"),
        (("t1",), b"t2", None, "tenant_mismatch"),
        (("t1", "t2"), None, None, "tenant_mismatch"),
        ((), b"t1", "T1", "tenant_mismatch"),
    ],
)
def test_tenant(
    tenants: tuple[str, ...], key: bytes | None, in_data: str | None, expected: str
) -> None:
    if expected in REFUSAL_CODES:
        with pytest.raises(Refused) as caught:
            agreed_tenant(tenants, key, in_data)
        assert caught.value.code == expected
    else:
        assert agreed_tenant(tenants, key, in_data) == expected
