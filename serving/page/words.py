"""All words of the page in English and Chinese; `{…}` are filled in. One file for each part of the page, one pair for each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.page import words_acts, words_at_risk, words_frame, words_merchant, words_model, words_portfolio, words_sign_in
from serving.reasons.numbers import Lang

PARTS = (words_frame, words_at_risk, words_acts, words_merchant, words_portfolio, words_model, words_sign_in)
PLACE: Mapping[Lang, int] = {"en": 0, "zh": 1}


def all_words() -> dict[str, tuple[str, str]]:
    """Every key with its English and its Chinese words."""
    return {key: pair for part in PARTS for key, pair in part.WORDS.items()}


WORDS: Mapping[str, tuple[str, str]] = all_words()


@dataclass(frozen=True)
class Words:
    """The words in one language: `words("as_of", day="1 Jan 2026")`."""

    lang: Lang

    def __call__(self, key: str, /, **values: Any) -> str:
        """The words of a key, filled in."""
        return WORDS[key][PLACE[self.lang]].format(**values)

    def count(self, key: str, number: int, /, **values: Any) -> str:
        """Words that hold a number of things: `<key>_one` for a single one where English has a singular of its own."""
        single = f"{key}_one" if number == 1 and f"{key}_one" in WORDS else key
        return self(single, number=f"{number:,}", **values)
