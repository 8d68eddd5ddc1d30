"""Texts are cut where their values are, and nowhere else."""

import pytest
from hypothesis import example, given

from streams.templates.masks import MAX_CUT, cut
from templates.hostile import ANY, SETTINGS, TEXTS


def woven(pieces: tuple[str, ...], values: tuple[str, ...]) -> str:
    return "".join(a + b for a, b in zip(pieces, (*values, ""), strict=True))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Received block blk_-42 of size 6710 from /10.2.4.8", ["blk_-42", "6710", "/10.2.4.8"]),
        ("ask 10.0.0.1:50010 to delete blk_1 blk_-2", ["10.0.0.1:50010", "blk_1 blk_-2"]),
        ("Block broadcast_9_piece0 stored", ["broadcast_9_piece0"]),
        ("targets: [10.0.0.1:5, 10.0.0.2:6]", ["10.0.0.1:5, 10.0.0.2:6"]),
        ("at 2015-10-18 18:01:47,978 done", ["2015-10-18 18:01:47,978"]),
        ("free 5.2 KB of 17.7GB", ["5.2 KB", "17.7GB"]),
        ("boot = 8, init = 2", ["8", "2"]),
        ("task_1445_0020_m_000000 is SCHEDULED", ["task_1445_0020_m_000000"]),
        ("New: msra-sa-41/10.190.173.170:9000", ["msra-sa-41/10.190.173.170:9000"]),
        ("New: msra-sa-41:9000", ["msra-sa-41:9000"]),
        ("id 01b7c1a0-5a2c-4a8e-9d3f-0123456789ab gone", ["01b7c1a0-5a2c-4a8e-9d3f-0123456789ab"]),
        ("saved to hdfs://h:9000/a/b_0.", ["hdfs://h:9000/a/b_0"]),
        ("Failed password for root from 1.2.3.4 port 22 ssh2", ["root", "1.2.3.4", "22", "ssh2"]),
        ("session opened for user news by (uid=0)", ["news", "0"]),
        ("ruser= rhost=here-1", ["", "here-1"]),
        ("from 00:11:43:e3:ba:c3 via eth1", ["00:11:43:e3:ba:c3", "eth1"]),
        ("authentication failure; euid=0 ruser= user=root", ["0", "", "root"]),
        ("Fan speeds ( 3552 **** 3479 )", ["3552 **** 3479"]),
        ("Component \\042alt0\\042 is off", ["\\042alt0\\042"]),
        (
            'lock=2, tag="View Lock", name=a.b.c, ws=null, on=',
            ["2", '"View Lock"', "a.b.c", "null"],
        ),
        ("ready=true,hot=true,policy=3,mode=false,x= k", ["true", "true", "3", "false", "k"]),
        ("proxy.example.edu.hk:5070 close, lifetime 00:01", ["proxy.example.edu.hk:5070", "00:01"]),
        ("at Sun Jul 10 03:55:15 2005", ["Sun Jul 10 03:55:15 2005"]),
        ("jk2_init() found", ["2"]),
        ("GET /a/b HTTP/1.1", ["/a/b", "1.1"]),
        ("started", []),
        ("said <*> and <NUM>", []),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    pieces, found = cut(text)
    assert list(found) == values
    assert woven(pieces, found) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task 7 started", "task 7 stopped"),
        ("PGOOD is asserted", "PGOOD is not asserted"),
        ("GET /v1/users/7", "DELETE /v1/users/7"),
        ("POST /jobs/7/start", "POST /jobs/7/stop"),
        ("action: a.b.c.SCREEN_ON", "action: a.b.c.SCREEN_OFF"),
        ("session closed for user enabled", "session closed for user disabled"),
        ("user=allowed", "user=denied"),
        ("unit http-2-started", "unit http-2-stopped"),
        ("k=1 enabled=yes", "k=1 enabled=no"),
        ("a=1 b=2 c=3 state=up", "a=1 b=2 c=3 state=down"),
        ("The user likes tea", "The user dislikes tea"),
        ("worker_1_up", "worker_1_down"),
        ("a=1 b=2 c=3 healthy=true", "a=1 b=2 c=3 healthy=false"),
        ("topic shop.order.accepted.v1", "topic shop.order.rejected.v1"),
        ("topic shop.order_accepted.v1.event", "topic shop.order_rejected.v1.event"),
        ("POST /stop/42/7", "POST /start/42/7"),
        ("a=1 b=2 c=3 d=unsubscribed", "a=1 b=2 c=3 d=subscribed"),
        ("Request for approval from 10.0.0.1", "Request for denial from 10.0.0.1"),
    ],
)
def test_what_tells_a_state_is_no_value(one: str, other: str) -> None:
    assert cut(one)[0] != cut(other)[0]


def test_nothing_but_values_is_of_no_kind() -> None:
    assert cut("12 7") == (("12 7",), ())


@pytest.mark.parametrize("unit", ["1", "_1", "_a1", "-1", "__1", "1:", ".1", "a.", "=1", "a_"])
@pytest.mark.parametrize("end", ["(", "_", "x", "=", "~", "@"])
def test_no_text_takes_for_ever(unit: str, end: str) -> None:
    # A way of looking at it that doubles with each unit would not come to an end.
    text = f"job_{unit * 999}{end}"
    assert woven(*cut(text)) == text


def test_a_long_text_is_one_piece() -> None:
    text = "7 " * MAX_CUT
    assert cut(text) == ((text,), ())


@SETTINGS
@given(ANY)
@example(TEXTS[3])
def test_cut_and_woven_is_the_text(text: str) -> None:
    assert woven(*cut(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts_too(text: str) -> None:
    assert woven(*cut(text)) == text
