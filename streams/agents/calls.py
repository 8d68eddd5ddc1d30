"""The metered call that an event carries, priced."""

from streams.core import events, job_events
from streams.core.log import Call
from streams.ports import PriceBook


def priced_call(
    data: events.AgentMessage | job_events.JobRun, time: int, book: PriceBook
) -> Call | None:
    """Make the call of an event at its event time; None when it has none."""
    usage, reported, reservation = data.usage, data.reported, data.reservation_id or ""
    if usage is None:
        if reported is None:
            return None
        return Call("", "", 0, 0, 0, 0, reported, None, "reported", reservation)
    provider, model = usage.provider or "", usage.model or ""
    tokens = (
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.cache_read_tokens or 0,
        usage.cache_creation_tokens or 0,
    )
    if reported is not None:
        return Call(provider, model, *tokens, reported, None, "reported", reservation)
    unpriced = Call(provider, model, *tokens, None, None, "", reservation)
    cost = book.cost(unpriced, time)
    if cost is None:
        return unpriced
    return Call(provider, model, *tokens, None, cost, book.version, reservation)
