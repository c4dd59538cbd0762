"""The page of the model leads to MLflow where the configuration says where that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from features.errors import UsageRefused
from features.settings import read_settings
from serving.api.app import create_app


def test_it_leads_to_mlflow_where_that_is_known(site: Any) -> None:
    pointer = {"model_version": site.run.model_version, "mlflow_version": 3, "promoted_at": "2026-01-01T06:00:00+00:00", "previous": []}
    (site.state / "champion.json").write_text(json.dumps(pointer))
    assert site.page("/model").all("a", rel="external") == []
    site.app = create_app(site.published, site.access, "https://mlflow.example.com/")
    assert [link["href"] for link in site.page("/model").all("a", rel="external")] == ["https://mlflow.example.com/"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "mlflow.example.com", "https://", "https://me@mlflow.example.com", "sqlite:///mlflow.db"])
def test_an_address_that_no_browser_should_open_is_refused(tmp_path: Path, url: str) -> None:
    path = tmp_path / "keepwell.toml"
    path.write_text(f'[source]\norders = "orders.parquet"\n[mlflow]\nurl = "{url}"\n')
    with pytest.raises(UsageRefused, match="an address that a browser opens"):
        read_settings(path)
    path.write_text('[source]\norders = "orders.parquet"\n[mlflow]\nurl = "https://mlflow.example.com"\n')
    assert read_settings(path).mlflow.url == "https://mlflow.example.com"
