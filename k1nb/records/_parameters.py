"""Parameters of notebooks: declared in a cell as `name: type = default  # help`, checked wherever they come from.

The help of a number may begin with its range, both ends included and either may be left out:
`hours: int = 24  # 1..720, how many hours back`, `watch: float = 5.0  # 0.., seconds between two looks`.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from k1nb.checks import spelt
from k1nb.errors import ParameterError
from k1nb.secrets import Redactor

Value = str | int | float | bool

TYPES: dict[str, type[Value]] = {"str": str, "int": int, "float": float, "bool": bool}
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?,\s+(.*)", re.DOTALL)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter."""

    name: str
    type: type[Value]
    default: Value
    help: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def range(self) -> str:
        """The range of a number, as it is declared; empty where there is none."""
        ends = ("" if end is None else f"{end:g}" for end in (self.least, self.most))
        text = "..".join(ends)
        return "" if text == ".." else text


def declared(source: str) -> dict[str, Parameter]:
    """Return the parameters that a parameters cell declares, by name.

    Raises ParameterError where a line is anything but `name: type = default  # help`.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"the parameters cell does not parse: {error.msg}", hint="mend the cell") from None
    help_of = _comments(source)
    found = [_parameter(statement, help_of) for statement in statements]
    return {parameter.name: parameter for parameter in found}


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, help_of: Mapping[int, str]) -> Parameter:
    match statement:
        case ast.AnnAssign(ast.Name(name), ast.Name(annotation), value) if annotation in TYPES and value is not None:
            wanted = TYPES[annotation]
        case _:
            raise ParameterError(
                f"the parameters cell holds {ast.unparse(statement)!r}",
                hint=f"write `name: type = default  # help` with one of {', '.join(TYPES)}",
            )
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise ParameterError(f"the default of {name} is no literal", hint="write the value itself") from None
    parameter = _ranged(name, wanted, help_of.get(statement.end_lineno or statement.lineno, ""))
    return replace(parameter, default=checked(parameter, default))


def _ranged(name: str, wanted: type[Value], text: str) -> Parameter:
    """Return a parameter with what its comment says, without a default yet."""
    found = _RANGE.fullmatch(text) if wanted in (int, float) else None
    if found is None:
        return Parameter(name, wanted, "", text)
    least, most = (float(end) if end else None for end in found.groups()[:2])
    return Parameter(name, wanted, "", found[3], least, most)


def checked(parameter: Parameter, value: Any) -> Value:
    """Return a Python value as the declared type, or raise ParameterError; nothing but int to float is converted."""
    if parameter.type is float and type(value) is int:
        return _within(parameter, float(value))
    if type(value) is parameter.type:
        return _within(parameter, value)
    raise ParameterError(
        f"parameter {parameter.name} is declared {parameter.type.__name__}, but was given {value!r}, "
        f"which is {type(value).__name__}",
        hint=_hint(parameter, value),
    )


def _within(parameter: Parameter, value: Value) -> Value:
    """Return a value of the right type, or raise ParameterError where it is out of the declared range."""
    if not parameter.range or isinstance(value, str):
        _refuse_unkept(parameter, value)
        return value
    below = parameter.least is not None and not value >= parameter.least  # a NaN is in no range
    if below or (parameter.most is not None and not value <= parameter.most):
        raise ParameterError(
            f"parameter {parameter.name} is {value}, but {parameter.range} is wanted",
            hint=f"for example {parameter.name}={parameter.default or parameter.range}",
        )
    _refuse_unkept(parameter, value)
    return value


def _refuse_unkept(parameter: Parameter, value: Value) -> None:
    """Raise ParameterError for what no record can keep: letters that UTF-8 has not, numbers that JSON has not."""
    if isinstance(value, str) and value != spelt(value):
        raise ParameterError(
            f"parameter {parameter.name} is {value!r}, which is no text in UTF-8", hint="give it in UTF-8"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(
            f"parameter {parameter.name} is {value}, but a finite number is wanted",
            hint=f"for example {parameter.name}={parameter.default or '1.0'}",
        )


def _hint(parameter: Parameter, value: Any) -> str:
    if parameter.type is str and isinstance(value, bool | int | float):
        return f"papermill's -p turns text that looks like a number into one: use -r {parameter.name} TEXT"
    if isinstance(value, str):
        return f"papermill's -r gives text: use -p {parameter.name} VALUE"
    return f"give a value of type {parameter.type.__name__}"


def converted(parameter: Parameter, text: str) -> Value:
    """Return text from a command line as the declared type, or raise ParameterError."""
    if parameter.type is str:
        return _within(parameter, text)
    try:
        value = _WORDS[text.lower()] if parameter.type is bool else parameter.type(text)
    except (KeyError, ValueError):
        wanted = "true or false" if parameter.type is bool else parameter.type.__name__
        raise ParameterError(
            f"parameter {parameter.name} wants {wanted}, not {text!r}",
            hint=f"-p {parameter.name}={str(parameter.default).lower()}",
        ) from None
    return _within(parameter, value)


def refuse_unknown(known: Mapping[str, Parameter], names: Iterable[str]) -> None:
    """Raise ParameterError for the first name that is not declared, with the nearest one that is."""
    for name in names:
        if name in known:
            continue
        near = get_close_matches(name, known, n=1)
        every = f"known are {', '.join(known)}" if known else "the notebook has no parameters"
        raise ParameterError(
            f"the notebook has no parameter {name!r}", hint=f"did you mean {near[0]}? {every}" if near else every
        )


def refuse_secrets(values: Mapping[str, Any], redact: Redactor) -> None:
    """Raise ParameterError for the first parameter that is or holds a secret, whose value is not told."""
    for name, value in values.items():
        if redact.found(f"{name} {value}"):
            raise ParameterError(
                f"parameter {redact(name)} holds a secret, and parameters are kept in records",
                hint="leave it out: notebooks and task functions take secrets from the settings by themselves",
            )


def assigned(source: str) -> list[str]:
    """Return the names that a cell assigns to, in order; none where it does not parse."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return []
    targets = [t for s in statements if isinstance(s, ast.Assign) for t in s.targets]
    targets += [s.target for s in statements if isinstance(s, ast.AnnAssign)]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def from_namespace(known: Mapping[str, Parameter], namespace: Mapping[str, Any]) -> dict[str, Value]:
    """Return the values that a kernel's namespace holds for the declared parameters, checked."""
    missing = [name for name in known if name not in namespace]
    if missing:
        raise ParameterError(
            f"parameter {missing[0]} has no value", hint="run the notebook's parameters cell before its connect cell"
        )
    return {name: checked(parameter, namespace[name]) for name, parameter in known.items()}


def from_text(known: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Value]:
    """Return the values that a command line gives, each as its declared type."""
    refuse_unknown(known, texts)
    return {name: converted(known[name], text) for name, text in texts.items()}
