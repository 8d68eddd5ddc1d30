from streams.agents.admit_vectors import text_to_embed, with_vector
from streams.core.log import (
    VERSION,
    Body,
    Call,
    Content,
    Message,
    Origin,
    Record,
    Refusal,
    Vector,
    decode,
    encode,
)

CONTENT = Content("text", 2, (), None, None, None, (), None, None, None)
CALL = Call("p", "m", 1, 2, 0, 0, None, None, "")


def record(body: Body) -> Record:
    return Record(VERSION, "t1", Origin("in", 0, 0, 7), "/s", "1", 5, body)


def test_content_alone_needs_a_vector() -> None:
    assert text_to_embed(record(Message("a", "", "", "", CALL, CONTENT))) == "text"
    assert text_to_embed(record(Message("a", "", "", "", CALL, None))) is None
    assert text_to_embed(record(Refusal("schema"))) is None


def test_a_vector_is_all_that_changes_and_it_survives_the_log() -> None:
    before = record(Message("a", "s", "c", "eu", CALL, CONTENT))
    vector = Vector("m@1", 0.5, b"\x01\xff")
    after = decode(encode(with_vector(before, vector)))
    assert isinstance(after.body, Message)
    assert after.body.content is not None
    assert after.body.content.vector == vector
    bare = record(Message("a", "s", "c", "eu", CALL, CONTENT))
    assert with_vector(bare, None) == before  # type: ignore[arg-type]
