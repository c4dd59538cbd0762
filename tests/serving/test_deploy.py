"""The files for production say what is true: they parse, and name routes, files, options, settings and services that exist."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import keepwell
from features.settings import Serve, read_settings
from serving.access.limits import with_environment
from serving.api.app import routes

yaml = pytest.importorskip("yaml")  # comes with BentoML and MLflow
LIVE = "/livez"
"""Answered by BentoML itself; `test_service_live` asks it."""
ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "serving" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
TEXT = (DEPLOY / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def steps(word: str) -> list[str]:
    """The arguments of every step of a kind, its lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return re.findall(rf"^{word} (.*)$", joined, re.MULTILINE)


def accepted(arguments: list[str]) -> None:
    """Fail unless the command line takes these words."""
    command: Any = get_command(keepwell.app)
    name, *rest = arguments
    assert name in command.commands, name
    command.commands[name].make_context(name, rest)


def test_every_file_that_the_image_is_made_of_is_there() -> None:
    copied = [path for step in steps("COPY") if "--from" not in step for path in step.split()[:-1]]
    assert {"keepwell.py", "features", "serving", "uv.lock"} <= set(copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    packaged = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] if "hatch" in PROJECT.get("tool", {}) else {}
    needed = [*packaged.get("include", []), *packaged.get("packages", []), PROJECT["project"]["readme"]]
    assert [path for path in needed if path.split("/")[0] not in copied] == []


def test_what_the_image_installs_is_what_the_project_declares() -> None:
    sync = next(step for step in steps("RUN") if "uv sync" in step)
    extras = re.findall(r"--extra (\S+)", sync)
    assert extras and set(extras) <= set(PROJECT["project"]["optional-dependencies"])
    assert json.loads(steps("ENTRYPOINT")[0])[0] in PROJECT["project"]["scripts"]
    assert PROJECT["project"]["requires-python"].startswith("==3.11") or "3.11" in PROJECT["project"]["requires-python"]
    assert all(step.startswith("python:3.11") for step in steps("FROM"))


def test_the_image_starts_the_service_and_asks_it_a_route_that_is_there() -> None:
    accepted(json.loads(steps("CMD")[0]))
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)(/[^'\"]*)['\"]", steps("HEALTHCHECK")[0])
    known = {route.path for route in routes()} | {LIVE}
    assert asked and all(port in steps("EXPOSE") and path in known for port, path in asked)


def test_every_service_waits_for_services_that_are_there_and_has_the_files_it_mounts() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, (name, other)
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other], (name, other)
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{[^}]*\}", "${}", volume).split(":")[0]
            is_file = source.startswith("./")
            assert (DEPLOY / source).is_file() if is_file else source in (*COMPOSE["volumes"], "${}"), (name, volume)


def test_the_commands_of_the_jobs_are_those_of_the_command_line() -> None:
    for name, service in SERVICES.items():
        words = service.get("command")
        if words and "entrypoint" not in service and service.get("image") == "keepwell":
            accepted(words)
        assert service.get("image") != "keepwell" or {"PGPASSWORD", "KEEPWELL_SERVE_LOG"} <= set(service["environment"]), name


def test_every_secret_has_a_line_in_the_example_and_every_setting_is_read() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", TEXT)) - {"KEEPWELL_DATA"}
    example = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE))
    assert named == example
    environment = {name: str(value) for name, value in SERVICES["keepwell"]["environment"].items() if name.startswith("KEEPWELL_SERVE_")}
    assert environment
    with_environment(Serve(), environment)


def test_the_settings_that_the_comments_show_are_understood(tmp_path: Path) -> None:
    shown = re.findall(r"^#\s+(\[\w+\])\s+(.+?)(?:\s{2,}\(.*)?$", TEXT, re.MULTILINE)
    assert len(shown) >= 3
    lines = [part for section, line in shown for part in (section, line)]
    (tmp_path / "keepwell.toml").write_text("\n".join(['[source]\norders = "orders.parquet"', *lines]), encoding="utf-8")
    settings = read_settings(tmp_path / "keepwell.toml")
    hosts = [shlex.split(part)[0] for part in re.findall(r"//(?:\w+@)?([\w.]+)", " ".join(line for _, line in shown))]
    assert settings.state.ledger and all(host in SERVICES or "." in host for host in hosts), hosts
