"""Reads a rules file, or refuses it with one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

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
)


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
        raise UsageRefused(_sentence(name, _place(first["loc"]), first["msg"])) from None
    except ValueError as error:
        raise UsageRefused(_sentence(name, "", str(error))) from None
    return rules


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
    problem = problem.removeprefix("Value error, ")
    ending = "" if problem.endswith(("?", ".")) else "."
    return f"{name}{', ' if place else ''}{place}: {problem}{ending}"
