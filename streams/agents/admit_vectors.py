"""Which admitted records need a vector, and how they get it. The model is the shell's."""

from msgspec import structs

from streams.core.log import Message, Record, Vector


def text_to_embed(record: Record) -> str | None:
    """Return the text whose vector a record lacks: a message's content, if it has any."""
    body = record.body
    if type(body) is not Message or body.content is None:
        return None
    return body.content.text


def with_vector(record: Record, vector: Vector) -> Record:
    """Return the record with its content's vector."""
    body = record.body
    assert isinstance(body, Message)
    assert body.content is not None
    content = structs.replace(body.content, vector=vector)
    return structs.replace(record, body=structs.replace(body, content=content))
