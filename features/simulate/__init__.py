"""A made-up market with planted truth: every table of the contract, and why and when each merchant leaves.

One thought a module: `clock` (days), `industry` (seasons), `market` (who), `trouble` and `demand` (what would happen),
`life` (who leaves and why), then what is seen of it: `orders`, `service`, `contracts`; `truth`; `columns` and `write` (files).
"""

from features.simulate.write import simulate

__all__ = ["simulate"]
