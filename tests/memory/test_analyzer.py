"""What becomes a term."""

import pytest

from streams.memory.analyzer import MAX_TERM, query_terms, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Failed, failing; FAILS!", ["fail", "fail", "fail"]),
        ("went gone going", ["go", "go", "go"]),
        ("children's kids", ["child", "child"]),
        ("rec-2024_07/part-0012", ["rec-2024_07/part-0012", "rec", "2024", "07", "part", "0012"]),
        ("at host:9092.", ["at", "host:9092", "host", "9092"]),
        ("DataLoader HTTPServer", ["dataloader", "data", "loader", "httpserver", "http", "server"]),
        ("__init__", ["init"]),
        ("don't", ["don"]),
        ("it’s", ["it"]),
        ("Straße STRASSE", ["strass", "strass"]),
        ("ﬁle １２", ["file", "12"]),
        ("e\u0301te\u0301 été", ["été", "été"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("記憶する", ["記憶", "憶す", "する"]),
        ("水", ["水"]),
        ("job記憶2", ["job", "記憶", "2"]),
        ("soft\u00adhyphen", ["softhyphen"]),
        ("Ω Ὀδυσσεύς", ["ω", "ὀδυσσεύσ"]),
        ("🙂 ok", ["ok"]),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


def test_a_composed_and_a_decomposed_spelling_are_one_term():
    assert terms("Cafe\u0301") == terms("CAFÉ")


def test_a_very_long_run_is_cut():
    assert [len(term) for term in terms("x" * 5_000)] == [MAX_TERM]


def test_a_question_leaves_out_words_that_any_sentence_has():
    assert query_terms("What did the quality agent do in May, in May?") == {
        "qualiti": 1,
        "agent": 1,
        "may": 2,
    }


def test_a_question_of_nothing_else_keeps_them():
    assert query_terms("to be or not") == {"to": 1, "be": 1, "or": 1, "not": 1}
