"""A visit: who looks, in which language and colours, at which address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import quote, urlencode

from serving.access import LOCAL, Who
from serving.page.formats import Formats
from serving.page.words import Words
from serving.reasons.numbers import Lang

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
LANG_COOKIE, THEME_COOKIE = "keepwell_lang", "keepwell_theme"
SECTIONS = (("at_risk", "/"), ("portfolio", "/portfolio"), ("model", "/model"))


@dataclass(frozen=True)
class Visit:
    """What all templates get as `visit`.

    Attributes
    ----------
    section : which part of the page, for the navigation.
    query : the parameters of the address, without empty ones.
    token : goes back with every form, so that no foreign page can send one; empty where nobody is signed in.
    """

    path: str
    section: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    lang: Lang = "en"
    theme: Theme = "auto"
    who: Who = LOCAL
    token: str = ""
    is_session: bool = False
    currency: str = "EUR"

    @property
    def t(self) -> Words:
        """The words in the visitor's language."""
        return Words(self.lang)

    @property
    def f(self) -> Formats:
        """How numbers are written for the visitor."""
        return Formats(self.lang, self.currency)

    @property
    def here(self) -> str:
        """This very address, to come back to."""
        return address(self.path, self.query)

    @property
    def other_lang(self) -> str:
        """This address in the other language."""
        return address(self.path, {**self.query, "lang": "en" if self.lang == "zh" else "zh"})

    @property
    def asks_lang(self) -> bool:
        """Whether the address itself names the language."""
        return self.query.get("lang") == self.lang

    @property
    def may_act(self) -> bool:
        """Whether the visitor may change anything."""
        return self.who.may("act")

    @property
    def may_export(self) -> bool:
        """Whether the visitor may take lists away."""
        return self.who.may("export")


def address(path: str, query: Mapping[str, object] | None = None) -> str:
    """A path with the parameters that are given.

    Examples
    --------
    >>> address("/", {"tier": "A", "q": None, "owner": ""})
    '/?tier=A'
    """
    kept = {name: value for name, value in (query or {}).items() if value is not None and value != ""}
    return f"{path}?{urlencode(kept)}" if kept else path


def merchant_path(merchant_id: str) -> str:
    """Where a merchant's page is."""
    return f"/merchants/{quote(merchant_id, safe='')}"


def local(back: str, otherwise: str = "/") -> str:
    r"""An address of this very service to go back to; anything else is not followed.

    Examples
    --------
    >>> local("/?tier=A"), local("https://example.com/"), local("//example.com"), local("/\\example.com")
    ('/?tier=A', '/', '/', '/')
    """
    is_ours = back.startswith("/") and not back.startswith("//") and "\\" not in back and all(letter >= " " for letter in back)
    return back if is_ours else otherwise
