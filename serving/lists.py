"""The lists of a run: who is about to leave, who is about to grow, and one merchant explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

import pandas as pd

from features.errors import UsageRefused
from serving.money import ranked
from serving.reasons.numbers import Lang
from serving.run import Run

Kind = Literal["text", "money", "percent", "count", "points"]


@dataclass(frozen=True)
class Column:
    """A column of a list: its key for machines, its headings, how its values are written, and whether a terminal has room for it."""

    key: str
    en: str
    zh: str
    kind: Kind = "text"
    in_terminal: bool = True

    def heading(self, lang: Lang) -> str:
        """The heading in a language."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Listing:
    """A list ready to be shown or exported: `rows` has the columns' keys, best first."""

    title: str
    columns: tuple[Column, ...]
    rows: pd.DataFrame
    facts: Mapping[str, Any]
    lang: Lang
    notes: tuple[str, ...] = field(default=())

    @property
    def currency(self) -> str:
        """The currency of its amounts."""
        return str(self.facts["currency"])


BETWEEN = " · "
MOST_COMPARED = 20_000

WHO = (
    Column("rank", "#", "序号", "count"),
    Column("merchant_id", "merchant", "商户"),
    Column("name", "name", "名称"),
    Column("owner", "owner", "负责人", in_terminal=False),
    Column("tier", "tier", "分层"),
    Column("stage", "stage", "生命周期", in_terminal=False),
)
AT_RISK = (
    *WHO,
    Column("churn_risk", "risk", "流失概率", "percent"),
    Column("value_at_risk", "value at risk", "在险价值", "money"),
    Column("expected_profit", "profit of acting", "行动期望收益", "money"),
    Column("reasons", "reasons", "原因"),
    Column("warning", "warning", "流失预警", in_terminal=False),
    Column("action", "next action", "下一步行动", in_terminal=False),
)
GROWTH = (
    *WHO,
    Column("growth_potential", "chance to grow", "成长概率", "percent"),
    Column("growth_value", "growth value", "成长价值", "money"),
    Column("expected_gmv", "expected sales", "预期交易额", "money"),
    Column("reasons", "reasons", "原因"),
    Column("action", "next action", "下一步行动", in_terminal=False),
)
TITLES = {
    "at_risk": {"en": "Merchants at risk", "zh": "流失风险商户"},
    "growth": {"en": "Merchants about to grow", "zh": "高成长商户"},
}


def at_risk(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Who to act on first: scored merchants of more than average risk, by expected profit of acting.

    Parameters
    ----------
    capacity : how many the team can act on; all if None.
    tier, owner : only these.

    Raises
    ------
    UsageRefused : a tier or owner that no merchant of the run has, or a capacity below one.
    """
    average = run.merchants["churn_risk"].mean()
    risky = run.merchants[run.merchants["churn_risk"] >= average]
    listing = _listing(run, "at_risk", AT_RISK, ranked(_only(run, risky, tier, owner), "expected_profit"), "churn", capacity, lang)
    pays = int((listing.rows["expected_profit"] > 0).sum())
    note = {
        "en": f"{pays:,} of the {len(listing.rows):,} shown are expected to bring more than acting costs; "
        f"shown are risks above the average of {average:.0%}",
        "zh": f"所列{len(listing.rows):,}家中，{pays:,}家的期望收益高于行动成本；仅列流失概率高于均值{average:.0%}的商户",
    }
    return Listing(listing.title, listing.columns, listing.rows, listing.facts, lang, (note[lang],))


def growth(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Who is about to grow: scored merchants by growth value; parameters as for `at_risk`."""
    rows = ranked(_only(run, run.merchants, tier, owner), "growth_value")
    return _listing(run, "growth", GROWTH, rows, "growth", capacity, lang)


def run_facts(run: Run) -> dict[str, Any]:
    """What every answer carries: the run, the model, the cutoff, and the currency."""
    return {"run_id": run.run_id, "model_version": run.model_version, "cutoff": run.cutoff, "currency": run.header["currency"]}


def check_lang(lang: str) -> Lang:
    """The language asked for.

    Raises
    ------
    UsageRefused : a language that Keepwell does not speak.
    """
    if lang not in ("en", "zh"):
        raise UsageRefused(f"language {lang!r} is not spoken here; use en or zh.")
    return lang  # type: ignore[return-value]


def words(run: Run, what: Literal["tiers", "stages"], key: Any, lang: Lang) -> str:
    """The words of a tier or stage."""
    return str(run.header["words"][what].get(key, {}).get(lang, key))


def closest(wrong: str, known: Sequence[str]) -> str:
    """A clause that names the closest of many names, or a few of them."""
    close = get_close_matches(wrong, known[:MOST_COMPARED], n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"there are {len(known):,}, such as {', '.join(known[:5])}."


def _only(run: Run, merchants: pd.DataFrame, tier: str | None, owner: str | None) -> pd.DataFrame:
    for name, wanted in (("tier", tier), ("owner", owner)):
        if wanted is None:
            continue
        known = sorted(run.merchants[name].dropna().astype(str).unique()) if name in run.merchants else []
        if not known:
            raise UsageRefused(f"the merchants of run {run.run_id} have no {name}; leave out --{name}.")
        if wanted not in known:
            raise UsageRefused(f"no merchant of run {run.run_id} has {name} {wanted!r}; {closest(wanted, known)}")
        merchants = merchants[merchants[name].astype(str) == wanted]
    return merchants


def _listing(run: Run, key: str, columns: tuple[Column, ...], rows: pd.DataFrame, head: str, capacity: int | None, lang: Lang) -> Listing:
    if capacity is not None and capacity < 1:
        raise UsageRefused(f"capacity {capacity} is less than one merchant; give the number that the team can act on.")
    rows = rows.head(capacity) if capacity else rows
    shown = rows.reset_index().assign(rank=range(1, len(rows) + 1), action=rows[f"action_{lang}"].to_numpy())
    shown["stage"] = [words(run, "stages", stage, lang) for stage in shown["stage"]]
    shown["reasons"] = shown["merchant_id"].map(reasons_of(run, head, lang))
    shown["warning"] = shown["merchant_id"].map(_first_warning(run, lang))
    present = tuple(column for column in columns if column.key in shown)
    return Listing(TITLES[key][lang], present, shown[[column.key for column in present]], run_facts(run), lang)


def reasons_of(run: Run, head: str, lang: Lang) -> pd.Series:
    """Merchant → its reasons that raise the score, as one text."""
    told = run.reasons[(run.reasons["head"] == head) & (run.reasons["direction"] == "raises")]
    return told.groupby("merchant_id", sort=False)[f"sentence_{lang}"].agg(BETWEEN.join)


def _first_warning(run: Run, lang: Lang) -> pd.Series:
    return run.warnings.drop_duplicates("merchant_id").set_index("merchant_id")[f"words_{lang}"]
