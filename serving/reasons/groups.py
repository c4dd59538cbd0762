"""Business groups: which features are told together, and their SHAP contributions summed.

A feature's group follows from its name, else from the module it is declared in. To add a group, add it to `GROUPS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

BASE = "base"


class Group(NamedTuple):
    """A group's title, the names that belong to it wherever declared, and the modules that it takes the rest of."""

    en: str
    zh: str
    names: str = ""
    modules: tuple[str, ...] = ()


GROUPS: dict[str, Group] = {
    "refunds": Group("Refunds", "退款", r"refund|last_refund"),
    "contract": Group("Contract", "合同", r"contract"),
    "profile": Group("Profile", "商户概况", r"tenure|days_since_first|days_to_first|acquisition|business_age", ("profile",)),
    "orders": Group("Orders", "订单", r"^(orders|active_days|active_weeks|lines)_(?!.*(rank|per_buyer))"),
    "rhythm": Group("Order rhythm and silence", "下单节奏与沉默", r"^(gap_(?!vs)|silence|days_since_last_order)", ("lifecycle",)),
    "sales": Group("Sales", "交易额", r"^aov|_rank$|rank_in_industry$", ("value",)),
    "buyers": Group("Buyers", "买家", "", ("buyers",)),
    "subsidy": Group("Subsidies and campaigns", "补贴与活动", r"subsid", ("dependence",)),
    "service": Group("Service", "服务体验", "", ("service",)),
    "engagement": Group("Use of the platform", "平台使用", "", ("engagement",)),
    "market": Group("Market", "市场环境", "", ("market",)),
    "other": Group("Other", "其他"),
}
ModuleOf = Callable[[str], str | None]


def declared_module(name: str) -> str | None:
    """The module that the catalogue has a feature from; None for a name it does not have."""
    from features.declare import catalogue

    found = catalogue().get(name)
    return found.module if found else None


@lru_cache(maxsize=4096)
def group_of(name: str, module: str | None) -> str:
    """The group of a feature.

    Examples
    --------
    >>> group_of("orders_28d", "value"), group_of("silence_ratio", "lifecycle"), group_of("contract_days_left", "engagement")
    ('orders', 'rhythm', 'contract')
    """
    for key, group in GROUPS.items():
        if group.names and re.search(group.names, name):
            return key
    return next((key for key, group in GROUPS.items() if module in group.modules), "other")


def groups_of(names: list[str], module_of: ModuleOf = declared_module) -> dict[str, str]:
    """Feature → group."""
    return {name: group_of(name, module_of(name)) for name in names}


def group_sums(contributions: pd.DataFrame, groups: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Contributions summed by group; with the base they still add up to the log-odds.

    Parameters
    ----------
    contributions : one column a feature and `base`, in log-odds.
    groups : feature → group; by name and module if None.
    """
    names = [str(name) for name in contributions.columns if name != BASE]
    groups = groups_of(names) if groups is None else groups
    keys = [key for key in GROUPS if key in set(groups.values())]
    member = np.array([[groups[name] == key for key in keys] for name in names], np.float64).reshape(len(names), len(keys))
    sums = contributions[names].to_numpy(np.float64) @ member
    table = pd.DataFrame(sums, index=contributions.index, columns=keys)
    return table.assign(**{BASE: contributions[BASE]})
