"""The examples in the docstrings of serving run."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

PORTFOLIO = tuple(f"portfolio.{name}" for name in ("book", "concentration", "facts", "rfm", "shapes", "use", "written"))
ACCESS = tuple(f"access.{name}" for name in ("commands", "forgery", "head", "limits", "token"))
RULES = ("rules.spread", "rules.bounds", "rules.conditions")
API = ("api.app", "api.kept", "rows")
MODULES = (*PORTFOLIO, *ACCESS, *RULES, *API, "chains", "money", "export", "reasons.groups", "reasons.numbers", "reasons.facts", "reasons.plain")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(f"serving.{name}")
    failed, tried = doctest.testmod(module, extraglobs={"np": np})
    assert tried and not failed
