"""A strict entry of the rules file: unknown keys are refused, with the closest known one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from features.errors import did_you_mean


class Entry(BaseModel):
    """One frozen table of the rules file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f'key "{key}" is not known; {did_you_mean(key, cls.model_fields)}')
        return given


class Words(Entry):
    """The same words in English and Chinese."""

    en: str
    zh: str
