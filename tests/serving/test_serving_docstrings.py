"""The examples in the docstrings of serving run."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

MODULES = ("money", "export", "reasons.groups", "reasons.numbers", "reasons.facts", "reasons.plain", "rules.spread", "rules.bounds")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(f"serving.{name}")
    failed, tried = doctest.testmod(module, extraglobs={"np": np})
    assert tried and not failed
