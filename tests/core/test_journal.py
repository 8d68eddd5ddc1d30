"""Alerts and audit records: newest first, in pages, kept for 30 days, found by their command."""

import pytest
from usage.writer import Writer, data

from streams.core.errors import ApiError
from streams.core.journal import AuditOfRow, AuditRow
from streams.usage.read import alerts, audit


def test_pages_are_newest_first_and_whole() -> None:
    log = Writer()
    for number in range(7):
        log.zone("UTC", tenant="t1")
        log.zone("UTC", tenant="t10")
        log.now += number % 2
    expected = [o.data for o in reversed(log.outputs) if o.tenant == "t1"]
    found: list[bytes] = []
    before, pages = None, 0
    while pages == 0 or before is not None:
        items, before = audit(log.view, "t1", limit=3, before=before)
        found += [bytes(item) for item in items]
        pages += 1
    assert (found, pages) == (expected, 3)
    assert audit(log.view, "t1", limit=7)[1] is None
    assert audit(log.view, "nobody", limit=7) == ([], None)


def test_a_cursor_of_another_list_is_refused() -> None:
    log = Writer()
    for _ in range(2):
        log.zone("UTC", tenant="t2")
    _, before = audit(log.view, "t2", limit=1)
    assert before is not None
    with pytest.raises(ApiError) as raised:
        audit(log.view, "t1", limit=1, before=before)
    with pytest.raises(ApiError):
        alerts(log.view, "t2", limit=1, before=before)
    assert (raised.value.status, raised.value.code) == (400, "bad_request")


def test_alerts_of_one_record_keep_their_order() -> None:
    log = Writer()
    log.call("150")
    found, _ = alerts(log.view, "t1", limit=10)
    assert [bytes(item) for item in found] == [o.data for o in reversed(log.outputs)]
    assert len(found) == 4


def test_a_command_finds_its_record() -> None:
    log = Writer()
    log.budget("5", event="one")
    log.budget("6", event="two")
    [found], after = audit(log.view, "t1", limit=1, cause=("/test", "one"))
    assert (bytes(found), after) == (log.outputs[0].data, None)
    for tenant, source, event in (("t2", "/test", "one"), ("t1", "/", "one"), ("t1", "/test", "x")):
        assert audit(log.view, tenant, limit=1, cause=(source, event)) == ([], None)


def test_entries_are_hidden_and_dropped_after_30_days() -> None:
    log = Writer(now="2026-03-01")
    for number in range(250):
        log.zone("UTC", event=f"c{number}")
    month_later = log.now + 30 * 24 * 3_600_000_000
    assert len(audit(log.view, "t1", limit=500, log_time=month_later)[0]) == 250
    assert audit(log.view, "t1", limit=500, log_time=month_later + 1) == ([], None)
    log.now = month_later + 1
    sizes = []
    for number in range(4):
        log.zone("UTC", event=f"n{number}")
        sizes.append(len(list(log.view.scan(AuditRow, AuditRow.kind))))
    assert sizes == [151, 52, 3, 4]  # at most 100 go with each record
    assert len(list(log.view.scan(AuditOfRow, AuditOfRow.kind))) == 4
    assert audit(log.view, "t1", limit=1, cause=("/test", "c249")) == ([], None)


def test_a_command_that_came_again_is_found_after_the_first_went() -> None:
    log = Writer(now="2026-03-01")
    log.zone("UTC", event="c")
    log.tick("2026-03-20")
    log.zone("UTC", event="c")
    log.tick("2026-04-05")
    log.zone("UTC", event="d")
    [found], _ = audit(log.view, "t1", limit=1, cause=("/test", "c"))
    assert bytes(found) == log.outputs[1].data


def test_records_of_topics_made_anew_have_ids_of_their_own() -> None:
    ids = {Writer(now=now).zone("UTC")[0].id for now in ("2026-03-01", "2026-03-02")}
    assert len(ids) == 2
    first, second = (Writer().zone("UTC")[0] for _ in range(2))
    assert (first.id, data(first)) == (second.id, data(second))
