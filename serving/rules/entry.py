"""A strict entry of the rules file: unknown keys are refused, with the closest known one, and so is what only looks like a number."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from features.errors import did_you_mean

NUMBERS = {int, float, NoneType}


class Entry(BaseModel):
    """One frozen table of the rules file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key, value in given.items():
                if key not in cls.model_fields:
                    raise ValueError(f'key "{key}" is not known; {did_you_mean(key, cls.model_fields)}')
                if isinstance(value, bool | str) and _is_number(cls.model_fields[key].annotation):
                    shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
                    raise ValueError(f"{key} = {shown} is not a number; write one, without quotes")
        return given


def _is_number(annotation: Any) -> bool:
    return annotation in NUMBERS or (bool(get_args(annotation)) and {*get_args(annotation)} <= NUMBERS)


class Words(Entry):
    """The same words in English and Chinese."""

    en: str
    zh: str

    @field_validator("en", "zh")
    @classmethod
    def _says_something(cls, words: str) -> str:
        if not words.strip():
            raise ValueError("the words are empty; people read them, so write some")
        return words
