"""`python -m serving.golden_check BUNDLE [MODEL]`: loads a bundle for the first time, in a process that may die of it.

Ends with 0 when the golden rows score as stored, else with 1 and one line on the standard output that begins with `refused: `.
"""

from __future__ import annotations

import sys
from pathlib import Path

from features.errors import ModelRefused
from serving.champion import MODEL, SAID, checked_bundle, golden_difference


def main(arguments: list[str]) -> int:
    """Check the bundle at the first argument."""
    try:
        difference = golden_difference(checked_bundle(Path(arguments[0])), *(arguments[1:] or [MODEL]))
    except ModelRefused as refused:
        difference = str(refused)
    except Exception as error:  # whatever a damaged bundle raises is a reason to refuse it
        difference = f"{type(error).__name__}: {error}".replace("\n", " ")
    if difference:
        print(f"{SAID}{difference}", flush=True)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
