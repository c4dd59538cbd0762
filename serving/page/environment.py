"""The templates, and what every page needs around its content."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.page import svg


@cache
def templates() -> Environment:
    """The templates; a name that is missing is an error, and everything filled in is escaped."""
    loader = PackageLoader("serving.page", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"spark": svg.spark, "meter": svg.meter, "signed_bar": svg.signed_bar}
    return made


def compile_all() -> None:
    """Compile every template, so that nobody who opens a page waits for it."""
    for name in templates().list_templates(["jinja"]):
        templates().get_template(name)


def rendered(template: str, /, **content: Any) -> str:
    """A template filled in."""
    return templates().get_template(f"{template}.html.jinja").render(**content)
