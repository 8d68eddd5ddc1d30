"""Groups: exact, whatever the order and the calls, and never of what differs in a word."""

from hypothesis import given
from hypothesis import strategies as st

from streams.templates.alike import bucket, group
from streams.templates.columns import columns_of, texts_of
from streams.templates.template import Template, template_of
from templates.hostile import ANY, SETTINGS

LINES = st.lists(
    st.one_of(
        ANY,
        st.sampled_from(["task 7 started", "task 7 stopped", "", "no 5", "no 6", "x"]),
        st.integers(0, 5).map("task {} started".format),
        st.integers(0, 5).map("block blk_{} of size 5".format),
    ),
    max_size=20,
)


def test_groups() -> None:
    texts = ["task 7 started", "hello", "task 7 stopped", "task 8 started", "hello", "alone 5"]
    first, second = group(texts)
    assert (first.rule, first.members, first.known) == ("template", (0, 3), None)
    assert first.template == Template(("task ", " started"))
    assert first.values == (("7",), ("8",))
    assert (second.rule, second.members, second.values) == ("identical", (1, 4), ((), ()))


def test_a_known_template_takes_even_one() -> None:
    known = [template_of("job 1 done")[0], template_of("task 1 started")[0]]
    (found,) = group(["task 7 started", "task 7 stopped"], known)
    assert (found.known, found.members) == (1, (0,))


@SETTINGS
@given(LINES)
def test_every_text_comes_back(texts: list[str]) -> None:
    for found in group(texts):
        columns = columns_of(found.values)
        members = [texts[number] for number in found.members]
        assert texts_of(found.template, columns, len(members)) == members
        assert len({bucket(text) for text in members}) == 1
        assert (found.rule == "identical") == (len(set(members)) == 1)


@SETTINGS
@given(LINES)
def test_what_is_left_alone_stays_alone(texts: list[str]) -> None:
    groups = group(texts)
    taken = {number for found in groups for number in found.members}
    left = [text for number, text in enumerate(texts) if number not in taken]
    assert group(left, [found.template for found in groups]) == []


@SETTINGS
@given(LINES, st.integers(0, 20))
def test_in_two_calls_as_in_one(texts: list[str], at: int) -> None:
    together = {found.template: set(found.members) for found in group(texts)}
    before = group(texts[:at])
    taken = {number for found in before for number in found.members}
    known = [found.template for found in before]
    members = {found.template: set(found.members) for found in before}
    rest = [number for number in range(len(texts)) if number not in taken]
    for found in group([texts[number] for number in rest], known):
        assert found.known == (known.index(found.template) if found.template in known else None)
        members.setdefault(found.template, set()).update(rest[n] for n in found.members)
    assert members == together


@SETTINGS
@given(LINES.flatmap(lambda texts: st.tuples(st.just(texts), st.permutations(texts))))
def test_in_any_order(orders: tuple[list[str], list[str]]) -> None:
    one, other = (
        {found.template: sorted(found.values) for found in group(texts)} for texts in orders
    )
    assert one == other
