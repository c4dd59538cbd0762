"""Every word of the page exists in English and Chinese, is used, and is filled in alike."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

from serving.page import words
from serving.page.words import WORDS, Words

PAGE = Path(words.__file__).parent
SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in (*PAGE.rglob("*.jinja"), *PAGE.glob("*.py")) if not path.name.startswith("words")
)
SOURCES += "\n".join(path.read_text(encoding="utf-8") for path in (PAGE.parent / "api" / "endpoints").glob("*.py"))
SAME = {"brand", "export_csv", "export_xlsx", "status_done", "o_psi", "o_brier", "none", "signed_in", "h_other", "h_by"}
"""Words that are the same in both languages, or names."""
PREFIXES = sorted(set(re.findall(r"""t\(f?["']([a-z_]+_)["'{]""", SOURCES)) | set(re.findall(r"""f["']([a-z_]+_)\{""", SOURCES)))


def places(text: str) -> set[str]:
    """The names that are filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    for key, (english, chinese) in WORDS.items():
        assert english.strip() and chinese.strip(), key
        assert places(english) == places(chinese), key
        has_chinese = [bool(re.search("[一-鿿]", text)) for text in (english, chinese)]
        assert has_chinese == [key == "other_lang", key not in SAME and key != "other_lang"], key


def test_no_word_is_left_over() -> None:
    named = {key for key in WORDS if f'"{key}"' in SOURCES or f"'{key}'" in SOURCES}
    singular = {f"{key}_one" for key in named}
    assert [key for key in WORDS if key not in named | singular and not key.startswith(tuple(PREFIXES))] == []


def test_every_word_asked_for_is_there() -> None:
    asked = set(re.findall(r"""\bt\(["']([^"'{}]+)["'][),]""", SOURCES))
    assert len(asked) > 100 and not asked - set(WORDS)


def test_no_key_stands_in_two_files() -> None:
    found = [key for part in words.PARTS for key in part.WORDS]
    assert len(found) == len(set(found)) > 150


def test_numbers_have_their_singular() -> None:
    assert Words("en").count("age", 1) == "1 day old" and Words("en").count("age", 1200) == "1,200 days old"
