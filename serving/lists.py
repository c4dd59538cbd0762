"""The lists of a run: who is about to leave, who is about to grow, and one merchant explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

import pandas as pd

from features.errors import UsageRefused
from serving.calls import STABLE, USUAL, Calls, call_list, calling, cut_to, growth_list, sensitivity
from serving.reasons.numbers import Lang, percent
from serving.rules.team import Team
from serving.run import Run

Kind = Literal["text", "texts", "money", "percent", "count", "points"]


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
    """A list ready to be shown or exported: `rows` has the columns' keys, best first; `calling` as `serving.calls.calling` makes it."""

    title: str
    columns: tuple[Column, ...]
    rows: pd.DataFrame
    facts: Mapping[str, Any]
    lang: Lang
    notes: tuple[str, ...] = field(default=())
    calling: pd.DataFrame | None = None

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
    Column("stage", "stage", "阶段", in_terminal=False),
    Column("stage_words", "stage in words", "生命周期", in_terminal=False),
)
AT_RISK = (
    *WHO,
    Column("churn_risk", "risk", "流失概率", "percent"),
    Column("value_at_risk", "value at risk", "在险价值", "money"),
    Column("expected_profit", "profit of acting", "行动期望收益", "money"),
    Column("reasons", "reasons", "原因", "texts"),
    Column("warning", "warning", "流失预警", in_terminal=False),
    Column("action", "next action", "下一步行动", in_terminal=False),
)
GROWTH = (
    *WHO,
    Column("growth_potential", "chance to grow", "成长概率", "percent"),
    Column("gmv_to_add", "sales to add", "可增交易额", "money"),
    Column("growth_value", "growth value", "成长价值", "money"),
    Column("expected_gmv", "expected sales", "预期交易额", "money", in_terminal=False),
    Column("reasons", "reasons", "原因", "texts"),
    Column("action", "next action", "下一步行动", in_terminal=False),
)
TITLES = {
    "at_risk": {"en": "Merchants at risk", "zh": "流失风险商户"},
    "growth": {"en": "Merchants about to grow", "zh": "高成长商户"},
}

NOBODY = {
    "en": "nobody to call here: whoever was scored is left out, as the next line counts",
    "zh": "此处无需联系任何商户：已评分的均未列入，见下一行",
}
NO_GROWTH = {"en": "nobody here has more than the average chance to grow", "zh": "此处没有成长概率高于均值的商户"}
COMPARED = {
    "churn": {"en": "A risk of {own}, against {average} on average", "zh": "流失概率{own}，均值为{average}"},
    "growth": {"en": "A chance of {own} to grow by half, against {average} on average", "zh": "增长五成的概率为{own}，均值为{average}"},
}
"""What is said of a merchant whose reasons were not worked out."""


def at_risk(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Who to act on first: by expected profit of acting, without sure things, lost causes and the holdout.

    Parameters
    ----------
    capacity : how many the team can act on, of each owner as many as the rules allow at most; the whole list if None.
    tier, owner : only these.

    Raises
    ------
    UsageRefused : a tier or owner that no merchant of the run has, or a capacity below one.
    """
    refuse_no_capacity(capacity)
    team = team_of(run)
    found = call_list(run.merchants, team, only(run, run.merchants, tier, owner))
    rows = cut_to(found.rows, capacity, team.capacity_per_owner)
    notes = call_notes(run, found, rows, capacity, lang)
    table = calling(
        found.rows if capacity is None else cut_to(found.rows, len(found.rows), team.capacity_per_owner), _leavers(run), capacity
    )
    return _listing(run, "at_risk", AT_RISK, rows, "churn", lang, notes, table)


def growth(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Who deserves support: scored merchants with more than the average chance to grow, by growth value; parameters as for `at_risk`."""
    refuse_no_capacity(capacity)
    team = team_of(run)
    found = growth_list(run.merchants, team, only(run, run.merchants, tier, owner))
    rows = cut_to(found, capacity, team.capacity_per_owner)
    average = percent(float(run.merchants["growth_potential"].mean()), lang)
    note = {
        "en": f"sales to add: what growing by half would add over the horizon, times the chance of it; shown are chances above the average of {average}",
        "zh": f"可增交易额：预测期内增长五成的增量乘以其概率；仅列成长概率高于均值{average}的商户",
    }
    return _listing(run, "growth", GROWTH, rows, "growth", lang, (note[lang],) if len(rows) else (NO_GROWTH[lang], note[lang]))


def team_of(run: Run) -> Team:
    """What the rules of a run say of the team."""
    return Team.model_validate(run.header.get("team", {}))


def call_notes(run: Run, found: Calls, rows: pd.DataFrame, capacity: int | None, lang: Lang) -> tuple[str, ...]:
    """What is on a call list and what is not, and a word of warning where its order rests on assumptions.

    Parameters
    ----------
    rows : those of the list that are shown.
    """
    pays, shown, risk = int((rows["expected_profit"] > 0).sum()), len(rows), float(rows["churn_risk"].sum())
    average = percent(found.average, lang)
    notes = {
        "en": (
            f"{pays:,} of the {shown:,} shown are expected to bring more than acting costs",
            f"about {risk:,.0f} of them would leave, of {_leavers(run):,.0f} in all; calls to merchants who would stay anyway: {shown - risk:,.0f}",
            f"left out: {found.sure:,} sure things (risk below {average}, the average), {found.lost:,} lost causes, {found.held_out:,} of the holdout",
        ),
        "zh": (
            f"所列{shown:,}家中，{pays:,}家的期望收益高于行动成本",
            f"其中约{risk:,.0f}家将流失（全部约{_leavers(run):,.0f}家），其余{shown - risk:,.0f}次联系的商户本会留下",
            f"未列：{found.sure:,}家流失概率低于均值{average}，{found.lost:,}家难以挽回，{found.held_out:,}家为对照组",
        ),
    }
    if not shown:
        return NOBODY[lang], notes[lang][-1]
    return (*notes[lang], *_reliance(found.rows, capacity, lang))


def _reliance(rows: pd.DataFrame, capacity: int | None, lang: Lang) -> tuple[str, ...]:
    first = min(capacity or USUAL, len(rows))
    changed, play = sensitivity(rows, capacity)
    if not first or changed <= (1 - STABLE) * first:
        return ()
    on = {
        "en": f"the play {play} saved half or twice as many" if play else "all plays saved alike",
        "zh": f"方案{play}的挽留率减半或加倍" if play else "各方案挽留率相同",
    }
    return (
        {
            "en": f"the order rests on assumed save rates: {changed:,} of the first {first:,} would be others if {on['en']}; keepwell proof measures them",
            "zh": f"排序取决于假定的挽留率：若{on['zh']}，前{first:,}家中有{changed:,}家会不同；可用 keepwell proof 实测",
        }[lang],
    )


def _leavers(run: Run) -> float:
    return float(run.header["counts"]["expected_leavers"])


def refuse_no_capacity(capacity: int | None) -> None:
    """Refuse a team that can act on nobody."""
    if capacity is not None and capacity < 1:
        raise UsageRefused(f"capacity {capacity} is less than one merchant; give the number that the team can act on.")


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
    close = [name for name in known if name.casefold() == wrong.strip().casefold()] or get_close_matches(wrong, known[:MOST_COMPARED], n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"there are {len(known):,}, such as {', '.join(known[:5])}."


def only(run: Run, merchants: pd.DataFrame, tier: str | None, owner: str | None) -> pd.DataFrame:
    """The merchants of a tier and of an account manager.

    Raises
    ------
    UsageRefused : one that no merchant of the run has.
    """
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


def _listing(
    run: Run,
    key: str,
    columns: tuple[Column, ...],
    rows: pd.DataFrame,
    head: str,
    lang: Lang,
    notes: tuple[str, ...],
    calls: pd.DataFrame | None = None,
) -> Listing:
    shown = rows.reset_index().assign(rank=range(1, len(rows) + 1), action=rows[f"action_{lang}"].to_numpy())
    shown["stage_words"] = [words(run, "stages", stage, lang) for stage in shown["stage"]]
    shown["warning"] = shown["merchant_id"].map(_first_warning(run, lang))
    shown["reasons"] = pd.Series(reasons_for(run, shown, head, lang), index=shown.index, dtype=object)
    present = tuple(column for column in columns if column.key in shown)
    return Listing(TITLES[key][lang], present, shown[[column.key for column in present]], run_facts(run), lang, notes, calls)


def reasons_for(run: Run, shown: pd.DataFrame, head: str, lang: Lang) -> list[list[str]]:
    """The sentences of each row that raise its score; where none was told, its warning, or how its score compares: never nothing."""
    told = run.reasons[(run.reasons["head"] == head) & (run.reasons["direction"] == "raises")]
    found = sentences(told, lang)
    score = "churn_risk" if head == "churn" else "growth_potential"
    average = percent(float(run.merchants[score].mean()), lang)
    pattern = COMPARED[head][lang]
    rows = zip(shown["merchant_id"], shown[score], shown["warning"], strict=True)
    return [
        found.get(merchant)
        or ([warning] if head == "churn" and isinstance(warning, str) else [pattern.format(own=percent(own, lang), average=average)])
        for merchant, own, warning in rows
    ]


def sentences(told: pd.DataFrame, lang: Lang) -> dict[str, list[str]]:
    """The sentences of each merchant of a table of reasons, in its order."""
    found: dict[str, list[str]] = {}
    for merchant, sentence in zip(told["merchant_id"].tolist(), told[f"sentence_{lang}"].tolist(), strict=True):
        found.setdefault(merchant, []).append(sentence)
    return found


def _first_warning(run: Run, lang: Lang) -> pd.Series:
    return run.warnings.drop_duplicates("merchant_id").set_index("merchant_id")[f"words_{lang}"]
