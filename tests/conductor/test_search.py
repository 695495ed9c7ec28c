"""The search language: what is written means the same to both indices, on every input."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import ExecutionStatus
from k1nb.conductor._search import free_text, query, quoted
from k1nb.errors import UsageError

PIECES = [*"ab \"'(),*\\=<>\n\t:/-_%ü", " AND ", " OR ", "IN"]
TRICKY = st.lists(st.sampled_from(PIECES), min_size=1).map("".join)
MOMENTS = st.integers(1_600_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NAMES = st.one_of(st.text(min_size=1), TRICKY)


def read_by_sqlite(expression: str) -> list[tuple[str, str, list[str]]]:
    """Read an expression as Conductor 3.32.1 does with SQLite: split at AND, take signs out, split at commas."""
    conditions = []
    for part in expression.split(" AND "):
        match = re.search(r"([a-zA-Z]+)\s?(=|>|<|IN)\s?(.*)", part)
        assert match is not None
        conditions.append((match[1], match[2], re.sub(r"[\"'()]", "", match[3]).split(",")))
    return conditions


def read_by_elasticsearch(expression: str) -> list[tuple[str, str, list[str]]]:
    """Read an expression as Conductor 3.32.1 does with Elasticsearch: a value runs from quote to quote."""
    one = r'(?:"([^"]*)"|(\d+))'
    condition = rf"(\w+)(=|>| IN )(?:{one}|\(({one}(?:,{one})*)\))"
    assert re.fullmatch(rf"{condition}(?: AND {condition})*", expression)
    conditions = []
    for match in re.finditer(condition, expression):
        many = match[5]
        values = [match[3] or match[4]] if many is None else [a or b for a, b in re.findall(one, many)]
        conditions.append((match[1], match[2].strip(), values))
    return conditions


@given(NAMES)
def test_a_name_means_itself_or_is_refused(name: str) -> None:
    """Whatever a name is made of, both indices read exactly it, as one condition, or it is refused."""
    with suppress(UsageError):
        expression = query(None, name, None)
        assert read_by_sqlite(expression) == [("workflowType", "=", [name])]
        assert read_by_elasticsearch(expression) == [("workflowType", "=", [name])]


@given(st.from_regex(r"[A-Za-z0-9_<>{}#-]+( [A-Za-z0-9_<>{}#-]+)*", fullmatch=True).filter(lambda n: " AND " not in n))
def test_every_name_of_a_workflow_can_be_searched_for(name: str) -> None:
    """What Conductor allows as a workflow's name is expressed, blanks included, but for one with AND between them."""
    assert quoted(name) == f'"{name}"'


@given(st.sets(st.sampled_from(ExecutionStatus), min_size=1), NAMES, MOMENTS)
def test_conditions_are_joined(statuses: set[ExecutionStatus], name: str, since: datetime) -> None:
    """Status, name and time are three conditions to both indices, each with its own values."""
    with suppress(UsageError):
        expression = query(statuses, name, since)
        for conditions in (read_by_sqlite(expression), read_by_elasticsearch(expression)):
            assert [condition[:2] for condition in conditions] == [
                ("status", "IN"),
                ("workflowType", "="),
                ("startTime", ">"),
            ]
            assert set(conditions[0][2]) == {str(status) for status in statuses}
            assert conditions[1][2] == [name]
            assert conditions[2][2] == [str(int(since.timestamp() * 1000))]


@pytest.mark.parametrize("name", ["", " ", " a", 'a"b', "it's", "a(b)", "a,b", "fw*", "a AND b", "a\\b", "a\nb"])
def test_what_cannot_be_expressed_is_refused(name: str) -> None:
    """A value that would change the query's meaning is refused by name, with what to do instead."""
    with pytest.raises(UsageError, match=re.escape(repr(name))) as error:
        quoted(name)
    assert error.value.hint


@pytest.mark.parametrize("word", ["needle", "1.2.3", "k1-bench", "a_b", "dev@k1.reinvented", "ümlaut"])
def test_a_plain_word_is_looked_for(word: str) -> None:
    """A word without signs stands for itself, and no word for everything."""
    assert free_text(word) == word
    assert free_text("") == "*"


@given(TRICKY)
def test_a_text_is_a_plain_word_or_refused(text: str) -> None:
    """No sign that means something to Elasticsearch, and no blank, ever reaches it."""
    with suppress(UsageError):
        assert not re.search(r"""[\s+=&|><!(){}\[\]^"~*?:\\/]""", free_text(text))


@pytest.mark.parametrize("text", ["two words", "-not", "AND", "a:b", "a/b", 'a"', "(a", "a*", "a~1"])
def test_a_text_with_a_meaning_is_refused(text: str) -> None:
    """What is an operator to Elasticsearch is refused."""
    with pytest.raises(UsageError):
        free_text(text)
