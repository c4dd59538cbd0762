"""The refusals of Keepwell: one sentence each, and the exit code a command ends with.

The sentence says what is wrong (with the value), where, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Refused(Exception):
    """Something asked for cannot be done honestly; `str(error)` is the sentence to show."""

    exit_code = 1


class UsageRefused(Refused):
    """The command or the configuration is not understood."""

    exit_code = 2


class DataRefused(Refused):
    """The data cannot be used as it is."""

    exit_code = 3


class GateRefused(Refused):
    """A quality gate was not passed."""

    exit_code = 4


class ModelRefused(Refused):
    """A model is missing, damaged or does not fit the data."""

    exit_code = 5


MOST_NAMED = 10
MOST_COMPARED = 20_000


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A clause that names the closest known word, or the words that are known: of many a few, so that it stays a clause.

    Examples
    --------
    >>> did_you_mean("horizon_day", ["horizon_days", "gap_days"])
    'did you mean "horizon_days"?'
    >>> did_you_mean("zzz", ["active_days", "gap_days"])
    'known are active_days, gap_days.'
    >>> did_you_mean("zzz", [f"m{number}" for number in range(5000)])
    'known are m0, m1, m10, m100, m1000, m1001, m1002, m1003, m1004, m1005, … (5,000 in all).'
    """
    known = sorted(known)
    close = [one for one in known if one.casefold() == wrong.strip().casefold()] or get_close_matches(wrong, known[:MOST_COMPARED], n=1, cutoff=0.6)
    more = f", … ({len(known):,} in all)" if len(known) > MOST_NAMED else ""
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known[:MOST_NAMED])}{more}."
