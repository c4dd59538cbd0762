"""Reads a rules file, or refuses it with one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from features.errors import UsageRefused
from serving.rules.conditions import check_names
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
WRONG = {
    "too_short": "nothing is given; give at least one, or leave the whole entry out",
    "string_pattern_mismatch": "{given} should be small letters, digits and _, a letter first; change it there",
    "model_type": "this should be one table; write its keys there",
    "tuple_type": "this should be a list; write [ … ] or [[ … ]] there",
}
"""Words for mistakes that the checker's own words would not make plain."""
LONGEST_SHOWN = 60


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
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows put a byte order mark first
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
    if not given:
        raise UsageRefused(f"{name} holds no rules; copy {BUILT_IN.name} of Keepwell there and change what you like.")
    names = None if known is None else {*known, *SCORES}
    try:
        rules = Rules.model_validate({**given, "text": text})
        if names is not None:
            check_names(rules.names, names)
    except ValidationError as error:
        place, problem = _problem(error.errors(include_url=False)[0])
        raise UsageRefused(_sentence(name, place, problem + _misspelt(given, names))) from None
    except ValueError as error:
        raise UsageRefused(_sentence(name, "", str(error))) from None
    return rules


def _misspelt(given: Any, known: set[str] | None) -> str:
    """A clause on a misspelt name, which may be why the rest is wrong: its points, for one, no longer total what they should."""
    try:
        check_names(() if known is None else _named(given), known or ())
    except ValueError as error:
        return f"; {error}"
    return ""


def _named(given: Any) -> Iterable[str]:
    """The names that conditions of a file look at, as far as they are texts."""
    if isinstance(given, dict):
        if "op" in given and isinstance(given.get("name"), str):
            yield given["name"]
        given = list(given.values())
    for part in given if isinstance(given, list) else ():
        yield from _named(part)


def _problem(error: Any) -> tuple[str, str]:
    """Where something is wrong, and what, in words that say what to do."""
    *place, last = error["loc"] or ("",)
    if error["type"] == "missing":
        return _place(tuple(place)), EXPECTED.get(str(last), f"`{last}` is missing; give it")
    words = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] in ("value_error",):
        return _place(error["loc"]), words
    given = repr(error["input"]) if isinstance(error["input"], str | int | float) else "what is given"
    given = given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}…"
    return _place(error["loc"]), WRONG.get(error["type"], f"{given} {words}; change it there").replace("{given}", given)


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
