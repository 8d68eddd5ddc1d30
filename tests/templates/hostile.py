"""Texts that are hard to cut and to put together again."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Few and patient: the machine that tests may be busy."""

TEXTS = (
    "",
    " ",
    "\t\ttabs\tand 1\ttab",
    "control \x00\x01\x1b[31m 7 \x7f",
    "literal <*> and <NUM> 5 and {0} and {} and %s and \\1 \\g<0>",
    "😀 emoji 12 👩‍👩‍👧 and 3\u202e",
    "７ wide digits ７７, ٣ arabic",
    "line 1\nline 2\r\nline 3\u2028",
    "12345",
    "007 008",
    "-0 +0 --5 1e9 0x 0xg 1.2.3.4.5 ....",
    "::1 fe80::1%eth0 :::::",
    "a=1 b= c==3 d=\x00",
    "/ // /a/ C:\\ C:\\a\\b \\\\host\\share",
    "1 2 3 4 5, 6, 7;8",
    "x" * 9_000 + " 12",
    "7" * 5_000,
    "a." * 3_000,
    "1-" * 3_000,
    "/a" * 3_000,
)
WORDS = st.sampled_from(
    [
        "task",
        "started",
        "stopped",
        "not",
        "user",
        "for",
        "from",
        "id=",
        "10.0.0.1",
        "0x1f",
        "-5",
        "007",
    ]
)
PARTS = st.one_of(
    WORDS,
    st.integers().map(str),
    st.text(max_size=6),
    st.sampled_from(TEXTS[:11]),
    st.uuids().map(str),
)
ANY = st.one_of(
    st.text(max_size=60),
    st.lists(PARTS, max_size=8).map(" ".join),
    st.lists(PARTS, max_size=8).map("".join),
)
