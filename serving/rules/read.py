"""Reads a rules file, or refuses it with one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from features.errors import UsageRefused
from serving.rules.grade import Rules

BUILT_IN = Path(__file__).parent.parent / "rules.toml"
SCORES = (
    "churn_risk",
    "churn_risk_third",
    "churn_risk_two_thirds",
    "expected_gmv",
    "expected_gmv_p10",
    "expected_gmv_p90",
    "growth_potential",
    "decline_risk",
    "activation_chance",
    "lifetime_value",
    "churn_risk_low",
    "churn_risk_high",
    "days_to_last_order",
)
"""Names of scores; kinds of warning that look at one that a model does not give are inactive."""
EXPECTED = {
    "cost": 'a play without `cost` cannot be weighed against what it saves; give the money of one contact, or cost = "contact_cost"',
    "save_rate": "a play without `save_rate` cannot be weighed against what it costs; give the share of leavers it is hoped to keep, 0 to 1",
}
"""Words for what is missing, where "it is missing" is not enough."""


def read_rules(path: Path | str | None = None, known: Iterable[str] | None = None) -> Rules:
    """The rules of a file, or the built-in ones.

    Parameters
    ----------
    path : a rules file; the one that comes with Keepwell if None.
    known : names of all features and attributes, to refuse a name that none bears; not checked if None.

    Raises
    ------
    UsageRefused : the file cannot be read, is not TOML, or breaks a rule of rules.
    """
    file = BUILT_IN if path is None else Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        return parse_rules(text, file.name, known)
    except OSError as error:
        raise UsageRefused(f"rules file {file} cannot be read: {error.strerror}; give the path of a rules.toml.") from None
    except UnicodeDecodeError as error:
        raise UsageRefused(f"rules file {file} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None


def parse_rules(text: str, name: str = "rules.toml", known: Iterable[str] | None = None) -> Rules:
    """The rules of a file's text; `name` stands in the refusals."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageRefused(f"{name} is not valid TOML: {str(error).rstrip('.')}; correct it there.") from None
    try:
        rules = Rules.model_validate({**given, "text": text})
        if known is not None:
            rules.check_names({*known, *SCORES})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageRefused(_sentence(name, *_problem(first))) from None
    except ValueError as error:
        raise UsageRefused(_sentence(name, "", str(error))) from None
    return rules


def _problem(error: Any) -> tuple[str, str]:
    """Where something is wrong, and what, in words that say what to do."""
    *place, last = error["loc"] or ("",)
    if error["type"] == "missing":
        return _place(tuple(place)), EXPECTED.get(str(last), f"`{last}` is missing; give it")
    words = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] in ("value_error",):
        return _place(error["loc"]), words
    given = error["input"] if isinstance(error["input"], str | int | float) else "what is given"
    return _place(error["loc"]), f"{given!r} {words}; change it there"


def _place(location: tuple[int | str, ...]) -> str:
    """`("warnings", 2, "when", 0)` → `warnings 3, when 1`."""
    words: list[str] = []
    for part in location:
        if isinstance(part, int) and words:
            words[-1] += f" {part + 1}"
        else:
            words.append(str(part))
    return ", ".join(words)


def _sentence(name: str, place: str, problem: str) -> str:
    ending = "" if problem.endswith(("?", ".")) else "."
    return f"{name}{', ' if place else ''}{place}: {problem}{ending}"
