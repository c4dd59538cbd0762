"""Names of made-up merchants and their account managers: readable, some Chinese, and two that test who prints them."""

from __future__ import annotations

import numpy as np

from features.simulate.clock import Ints
from features.simulate.industry import INDUSTRIES

FAMILIES = (
    "Adler", "Bakker", "Caruso", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanova", "Jansen", "Kowalski", "Lindqvist",
    "Moreau", "Novak", "Okafor", "Peeters", "Quist", "Rossi", "Schneider", "Toth", "Ueda", "Vogel", "Weber", "Yilmaz", "Zimmer",
)  # fmt: skip
FORMS = ("", " & Sons", " & Daughters", " Trading", " GmbH", " BV", " Ltd", " Studio")
CITIES = ("上海", "北京", "广州", "深圳", "杭州", "成都")
WORDS = ("兴隆", "宏达", "金源", "福满", "永安", "新世纪")
TRADES = (
    "礼品店",
    "园艺行",
    "玩具店",
    "服饰店",
    "食品行",
    "电子行",
    "运动店",
    "书店",
    "美妆店",
    "家居店",
    "办公用品",
    "机械配件",
)
EMOJI = "Sunny 🌻 Corner"
FORMULA = "=cmd|' /C calc'!A0"
"""A name some spreadsheet would run: whoever writes lists must write it as text."""
MANAGERS = (
    "Anna Weber", "Ben Okafor", "Chiara Rossi", "David Novak", "Elif Yilmaz", "Femke Jansen", "Grace Liu", "Hugo Moreau",
    "Ines Garcia", "Jonas Vogel", "Kaja Eriksen", "Li Na", "Marek Kowalski", "Nora Lindqvist", "Omar Haddad", "Paula Toth",
)  # fmt: skip


def names(industry: Ints, rng: np.random.Generator) -> list[str]:
    """One name per merchant: 4 % Chinese, one with an emoji, one that begins with `=cmd`."""
    count = len(industry)
    draws = rng.integers(0, 1 << 30, size=(count, 3)).tolist()
    chinese = (rng.random(count) < 0.04).tolist()
    made = [
        f"{CITIES[a % 6]}{WORDS[b % 6]}{TRADES[kind]}"
        if is_chinese
        else f"{FAMILIES[a % len(FAMILIES)]} {_pick(INDUSTRIES[kind].trade, b)}{_pick(FORMS, c)}"
        for kind, (a, b, c), is_chinese in zip(industry.tolist(), draws, chinese, strict=True)
    ]
    for place, special in enumerate((f"{CITIES[0]}{WORDS[0]}{TRADES[0]}", EMOJI, FORMULA)):
        if count > place + 3:
            made[(place + 1) * count // 4] = special
    return made


def _pick(words: tuple[str, ...], draw: int) -> str:
    return words[draw % len(words)]
