"""Every notebook runs from top to bottom and ends with a list."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SECONDS = 300
LEAST_ROWS = 3


@pytest.fixture(autouse=True)
def loop():
    """An event loop of our own, closed after use."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_it_runs_and_ends_with_a_list(path, tmp_path):
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"]
    results = [output.data["text/plain"] for output in cells[-1].outputs if output.output_type == "execute_result"]
    assert results, "the last cell shows nothing"
    heading, *rows = results[0].splitlines()
    assert "merchant_id" in heading
    assert len(rows) >= LEAST_ROWS


def test_there_are_notebooks():
    assert {path.stem[:2] for path in NOTEBOOKS.glob("*.py")} >= {"01", "02", "03"}
