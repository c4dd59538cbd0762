"""The lists with stores rolled up to their chain: a chain is as much at risk as the money in its stores.

A chain is all merchants of one `parent_id`; merchants without one stand for themselves. A chain is listed if one of its stores is on the
list of merchants; its money is that of all its scored stores, whoever is on the list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.errors import UsageRefused
from serving.calls import call_list, cut_to, growth_list
from serving.lists import Column, Listing, only, reasons_for, refuse_no_capacity, run_facts, team_of
from serving.reasons.numbers import Lang, money, percent
from serving.run import Run

WORST, TOLD = 3, 3
"""So many stores and reasons of a chain are named."""
WHO = (
    Column("rank", "#", "序号", "count"),
    Column("chain", "chain", "连锁"),
    Column("name", "name", "名称"),
    Column("owner", "owner", "负责人", in_terminal=False),
    Column("stores", "stores", "门店数", "count"),
    Column("stores_listed", "stores on the list", "上榜门店", "count"),
)
LAST = (
    Column("worst", "stores with the most", "重点门店", "texts"),
    Column("reasons", "reasons", "原因", "texts"),
    Column("action", "next action", "下一步行动", in_terminal=False),
)
AT_RISK = (
    *WHO,
    Column("expected_leavers", "expected leavers", "预计流失门店", "count", in_terminal=False),
    Column("share_at_risk", "value at risk, of all", "在险占比", "percent"),
    Column("value_at_risk", "value at risk", "在险价值", "money"),
    Column("expected_profit", "profit of acting", "行动期望收益", "money"),
    *LAST,
)
GROWTH = (
    *WHO,
    Column("gmv_to_add", "sales to add", "可增交易额", "money"),
    Column("growth_value", "growth value", "成长价值", "money"),
    Column("expected_gmv", "expected sales", "预期交易额", "money", in_terminal=False),
    *LAST,
)
TITLES = {
    "value_at_risk": {"en": "Chains at risk", "zh": "流失风险连锁"},
    "growth_value": {"en": "Chains about to grow", "zh": "高成长连锁"},
}


def chain_of(merchants: pd.DataFrame) -> pd.Series:
    """The chain of each merchant: its parent, else the merchant itself.

    Examples
    --------
    >>> chain_of(pd.DataFrame({"parent_id": ["big", None]}, index=["m1", "m2"])).tolist()
    ['big', 'm2']
    """
    own = pd.Series(merchants.index.to_numpy(object), index=merchants.index)
    if "parent_id" not in merchants:
        return own
    parent = merchants["parent_id"].astype(object)
    return parent.where(parent.notna(), own)


def at_risk_by_chain(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Which chains to act on first, by the money at risk in their stores; parameters and refusals as for `serving.lists.at_risk`."""
    team, within = team_of(run), _within(run, capacity, tier, owner)
    listed = call_list(run.merchants, team, within).rows
    sums = _summed(within, listed, ("value_at_risk", "value_if_kept", "churn_risk"))
    sums["share_at_risk"] = sums["value_at_risk"] / sums["value_if_kept"].where(sums["value_if_kept"] > 0)
    sums["expected_leavers"] = sums["churn_risk"]
    profit = listed["expected_profit"].clip(lower=0)
    sums["expected_profit"] = profit.groupby(chain_of(listed)).sum().reindex(sums.index).fillna(0.0)
    held = int((within["arm"] == "hold").sum()) if "arm" in within else 0
    note = {
        "en": f"at risk is the money of all scored stores; profit is of calling the stores on the list; {held:,} merchants of the holdout are not to be called",
        "zh": f"在险价值含全部有评分门店；期望收益仅含上榜门店；另有{held:,}家对照组商户不联系",
    }
    return _listing(run, sums, listed, within, "value_at_risk", AT_RISK, capacity, lang, (note[lang],))


def growth_by_chain(run: Run, *, capacity: int | None = None, tier: str | None = None, owner: str | None = None, lang: Lang = "en") -> Listing:
    """Which chains deserve support, by the growth value of their stores on the growth list; parameters as for `serving.lists.growth`."""
    team, within = team_of(run), _within(run, capacity, tier, owner)
    listed = growth_list(run.merchants, team, within)
    sums = _summed(within, listed, ("expected_gmv",))
    for name in ("gmv_to_add", "growth_value"):
        sums[name] = listed[name].groupby(chain_of(listed)).sum().reindex(sums.index)
    note = {"en": "sales to add and growth value are of the stores on the growth list", "zh": "可增交易额与成长价值仅含上榜门店"}
    return _listing(run, sums, listed, within, "growth_value", GROWTH, capacity, lang, (note[lang],))


def _within(run: Run, capacity: int | None, tier: str | None, owner: str | None) -> pd.DataFrame:
    refuse_no_capacity(capacity)
    if "parent_id" not in run.merchants or not run.merchants["parent_id"].notna().any():
        raise UsageRefused(f"the merchants of run {run.run_id} have no parent_id, so there are no chains; leave out --by chain.")
    return only(run, run.merchants, tier, owner)


def _summed(within: pd.DataFrame, listed: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Per chain with a store on the list: its stores, how many are listed, and sums over all scored ones."""
    chain, on_list = chain_of(within), chain_of(listed)
    numbers = within[[*names]].groupby(chain).sum(min_count=1)
    numbers["stores"] = chain.value_counts().reindex(numbers.index)
    numbers["stores_listed"] = on_list.value_counts().reindex(numbers.index).fillna(0).astype(int)
    return numbers[numbers["stores_listed"] > 0]


def _listing(
    run: Run,
    sums: pd.DataFrame,
    listed: pd.DataFrame,
    within: pd.DataFrame,
    by: str,
    columns: tuple[Column, ...],
    capacity: int | None,
    lang: Lang,
    notes: tuple[str, ...],
) -> Listing:
    order = np.lexsort((sums.index.to_numpy(str), -sums[by].to_numpy(np.float64)))
    shown = sums.iloc[order].rename_axis("chain").reset_index()
    shown["owner"] = shown["chain"].map(_owners(within)) if "owner" in within else None
    shown = (cut_to(shown, capacity, team_of(run).capacity_per_owner) if "owner" in within else shown.head(capacity or len(shown))).reset_index(drop=True)
    shown["rank"] = range(1, len(shown) + 1)
    stores = _stores(listed, by, shown["chain"])
    told = _told(run, stores, by, lang)
    for name in ("name", "worst", "reasons", "action"):
        shown[name] = pd.Series([told[name].get(chain) for chain in shown["chain"]], index=shown.index, dtype=object)
    present = tuple(column for column in columns if column.key in shown)
    return Listing(TITLES[by][lang], present, shown[[column.key for column in present]], run_facts(run), lang, notes)


def _owners(within: pd.DataFrame) -> pd.Series:
    """The account manager of each chain; None where its stores have several."""
    by_chain = within["owner"].astype(object).groupby(chain_of(within))
    return by_chain.first().where(by_chain.nunique() == 1, None)


def _stores(listed: pd.DataFrame, by: str, chains: pd.Series) -> pd.DataFrame:
    """The listed stores of the chains shown, of each chain those with the most money first."""
    rows = listed.assign(chain=chain_of(listed))
    rows = rows[rows["chain"].isin(chains)]
    return rows.iloc[np.lexsort((rows.index.to_numpy(str), -rows[by].to_numpy(np.float64)))]


def _told(run: Run, stores: pd.DataFrame, by: str, lang: Lang) -> dict[str, dict[str, Any]]:
    """Of each chain: its name (that of a merchant that stands for itself), its worst stores, the reasons of those with the most money, what to do."""
    first = stores[stores.groupby("chain").cumcount() < WORST].reset_index(names="merchant_id")
    head, score = ("churn", "churn_risk") if by == "value_at_risk" else ("growth", "growth_potential")
    raised = run.warnings.drop_duplicates("merchant_id").set_index("merchant_id")[f"words_{lang}"]
    reasons = reasons_for(run, first.assign(warning=first["merchant_id"].map(raised)), head, lang)
    found: dict[str, dict[str, Any]] = {"name": {}, "worst": {}, "reasons": {}, "action": {}}
    currency = str(run.header["currency"])
    for row, sentences in zip(first.to_dict("records"), reasons, strict=True):
        chain, store = row["chain"], row["merchant_id"]
        named = f"{row['name']} ({store})" if isinstance(row.get("name"), str) else store
        alone = chain == store
        found["name"].setdefault(chain, row.get("name") if alone else None)
        worth = f"{named}: {percent(row[score], lang)}, {money(round(row[by]) if row[by] >= 10 else row[by], currency)}"
        found["worst"].setdefault(chain, []).extend([] if alone else [worth])
        known = found["reasons"].setdefault(chain, [])
        known += [sentence for sentence in sentences[:TOLD] if sentence not in known][: TOLD - len(known)]
        found["action"].setdefault(chain, row[f"action_{lang}"])
    return found
