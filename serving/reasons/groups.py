"""Business groups: which features are told together, and their SHAP contributions summed.

A feature's group follows from its name, else from the module it is declared in. To add a group, add it to `GROUPS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sheet import weighted

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
    names = tuple(str(name) for name in contributions.columns if name != BASE)
    grouping = grouping_of(names) if groups is None else Grouping.of(names, groups)
    sums = grouping.sums(contributions[list(names)].to_numpy(np.float64))
    table = pd.DataFrame(sums, index=contributions.index, columns=list(grouping.keys))
    return table.assign(**{BASE: contributions[BASE]})


@dataclass(frozen=True)
class Grouping:
    """The groups of a model's features: `keys` of those that it has any of, and for each the places of its features."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    places: tuple[NDArray[np.intp], ...]

    @classmethod
    def of(cls, names: tuple[str, ...], groups: Mapping[str, str]) -> Grouping:
        """The groups of some features, in the order of `GROUPS`."""
        found = {key: [place for place, name in enumerate(names) if groups[name] == key] for key in GROUPS}
        there = {key: np.array(places, np.intp) for key, places in found.items() if places}
        return cls(names, tuple(there), tuple(there.values()))

    def sums(self, pushes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Contributions (n, features) summed by group, (n, groups)."""
        return np.column_stack([weighted(pushes[:, places], np.ones(len(places))) for places in self.places] or [np.zeros((len(pushes), 0))])


@lru_cache(maxsize=64)
def grouping_of(names: tuple[str, ...], module_of: ModuleOf = declared_module) -> Grouping:
    """The groups of some features by their names and modules."""
    return Grouping.of(names, groups_of(list(names), module_of))
