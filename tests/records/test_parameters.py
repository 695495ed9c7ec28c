"""Parameters: how they are declared, and what is refused."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.errors import ParameterError
from k1nb.records._parameters import assigned, checked, converted, declared, from_namespace, from_text, refuse_unknown

CELL = """
commit_sha: str = ""  # commit to build
hours: int = 24  # how far back
share: float = 0.5  # of the whole
strict: bool = False  # refuse WARN
"""
KNOWN = declared(CELL)
NAMES = st.from_regex(r"[a-z][a-z_]{0,12}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
VALUES = st.one_of(st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


def test_a_declaration_gives_name_type_default_and_help() -> None:
    """A line of the parameters cell is read as name, type, default and help."""
    hours = KNOWN["hours"]
    assert list(KNOWN) == ["commit_sha", "hours", "share", "strict"]
    assert (hours.type, hours.default, hours.help) == (int, 24, "how far back")


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_every_literal_default_is_read_back(values: dict[str, object]) -> None:
    """Whatever literal a parameter defaults to is what is read, with its type."""
    cell = "\n".join(f"{name}: {type(value).__name__} = {value!r}  # help" for name, value in values.items())
    assert {name: p.default for name, p in declared(cell).items()} == values


@pytest.mark.parametrize(
    "line",
    [
        "hours = 24",
        "hours: int",
        "hours: list = []",
        "hours: int = 'x'",
        "import os",
        "hours: int = now()",
        "hours: int =",
    ],
)
def test_anything_but_a_declaration_is_refused(line: str) -> None:
    """A parameters cell holds declarations with literal defaults of the four types and nothing else."""
    with pytest.raises(ParameterError):
        declared(line)


@pytest.mark.parametrize("value", [1234567, 12345e7, True])
def test_text_that_papermill_made_a_number_names_the_raw_option(value: object) -> None:
    """Where plain papermill's -p has changed a text's type, the hint names -r."""
    with pytest.raises(ParameterError) as error:
        checked(KNOWN["commit_sha"], value)
    assert "-r commit_sha" in str(error.value.hint)


def test_text_for_a_number_names_the_typed_option() -> None:
    """Where papermill's -r has left a number as text, the hint names -p."""
    with pytest.raises(ParameterError) as error:
        checked(KNOWN["hours"], "24")
    assert "-p hours" in str(error.value.hint)


def test_a_bool_is_no_int_and_an_int_is_a_float() -> None:
    """True is refused for an int, and an int is accepted for a float, as one."""
    with pytest.raises(ParameterError):
        checked(KNOWN["hours"], True)
    assert checked(KNOWN["share"], 1) == 1.0
    assert isinstance(checked(KNOWN["share"], 1), float)


@given(st.text(max_size=40))
def test_text_stays_text(text: str) -> None:
    """What a command line gives for a str is that text, whatever it looks like."""
    assert converted(KNOWN["commit_sha"], text) == text


@given(st.integers())
def test_numbers_come_from_text(number: int) -> None:
    """What a command line gives for an int is that number."""
    assert converted(KNOWN["hours"], str(number)) == number


@pytest.mark.parametrize(("name", "text"), [("hours", "1.5"), ("hours", ""), ("strict", "maybe"), ("share", "half")])
def test_text_of_another_type_is_refused(name: str, text: str) -> None:
    """Text that does not spell the declared type is refused."""
    with pytest.raises(ParameterError):
        converted(KNOWN[name], text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("yes", True), ("0", False)])
def test_words_for_truth(text: str, value: bool) -> None:
    """A bool is given as true or false, yes or no, 1 or 0."""
    assert converted(KNOWN["strict"], text) is value


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    """A parameter that is not declared is refused with the nearest name and the known ones."""
    with pytest.raises(ParameterError, match="comit_sha") as error:
        refuse_unknown(KNOWN, ["hours", "comit_sha"])
    assert error.value.hint == "did you mean commit_sha? known are commit_sha, hours, share, strict"


def test_a_notebook_without_parameters_says_so() -> None:
    """Where nothing is declared, the refusal says that instead of an empty list."""
    with pytest.raises(ParameterError) as error:
        from_text({}, {"hours": "1"})
    assert error.value.hint == "the notebook has no parameters"


def test_a_namespace_without_a_parameter_is_refused() -> None:
    """A parameters cell that was not run is noticed."""
    with pytest.raises(ParameterError, match="share has no value"):
        from_namespace(KNOWN, {"commit_sha": "", "hours": 1, "strict": True})


def test_names_that_a_cell_assigns() -> None:
    """The names that an injected cell gives values to are found, also where it does not parse: none."""
    assert assigned('# Parameters\ncommit_sha = "1"\nhours: int = 3\n') == ["commit_sha", "hours"]
    assert assigned("hours =") == []


RANGED = declared(
    "hours: int = 24  # 1..720, how far back\nwatch: float = 5.0  # 0.., seconds\nname: str = ''  # a..b, c"
)


def test_a_range_is_declared_in_the_help() -> None:
    """The help of a number may begin with its range; of a text it is just help."""
    assert [(p.range, p.help) for p in RANGED.values()] == [
        ("1..720", "how far back"),
        ("0..", "seconds"),
        ("", "a..b, c"),
    ]


@pytest.mark.parametrize(("name", "text"), [("hours", "0"), ("hours", "721"), ("watch", "-0.1"), ("watch", "nan")])
def test_a_value_out_of_its_range_is_refused(name: str, text: str) -> None:
    """Out of range is refused from a command line and from a kernel alike, with the range that is wanted."""
    with pytest.raises(ParameterError, match=RANGED[name].range.replace(".", r"\.")):
        from_text(RANGED, {name: text})
    with pytest.raises(ParameterError, match="is wanted"):
        from_namespace(RANGED, {"hours": 24, "watch": 5.0, "name": "", name: RANGED[name].type(text)})
    with pytest.raises(ParameterError, match="is wanted"):
        declared("hours: int = 0  # 1..720, how far back")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("commit_sha", "a\udcff", r"commit_sha is 'a\\udcff', which is no text in UTF-8"),
        ("share", "nan", "share is nan, but a finite number is wanted"),
        ("share", "-inf", "share is -inf, but a finite number is wanted"),
    ],
)
def test_what_no_record_can_keep_is_refused(name: str, text: str, words: str) -> None:
    """Text that is not UTF-8 and numbers that JSON has not are refused, from a command line and in a notebook."""
    with pytest.raises(ParameterError, match=words):
        from_text(KNOWN, {name: text})
    with pytest.raises(ParameterError, match=words):
        checked(KNOWN[name], KNOWN[name].type(text))
