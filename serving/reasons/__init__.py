"""Reasons: SHAP contributions summed into business groups and put in words, in English and Chinese."""

from serving.reasons.groups import GROUPS, group_sums
from serving.reasons.telling import reasons

__all__ = ["GROUPS", "group_sums", "reasons"]
