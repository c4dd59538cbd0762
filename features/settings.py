"""`keepwell.toml`: where the event tables are and how a platform defines churn, growth, money and days.

Everything a person tunes is here, checked once; a mistake ends with one sentence that names the file, the line and the key.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from features.errors import UsageRefused, did_you_mean
from features.tables import TABLES


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FileSource(_Section):
    """Parquet or CSV files that hold one table: a path or glob relative to the configuration."""

    path: Annotated[str, Field(min_length=1)]
    encoding: str | None = None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                codecs.lookup(value)
        except LookupError:
            raise ValueError('must be the name of an encoding, such as "gb18030" or "big5"') from None
        return value


class QuerySource(_Section):
    """A query over such files that yields one table."""

    query: Annotated[str, Field(min_length=1)]


class Churn(_Section):
    """Who is in the cohort and what counts as leaving."""

    active_days: Annotated[int, Field(gt=0, le=36500)] = 90
    horizon_days: Annotated[int, Field(gt=0, le=36500)] = 90
    gap_days: Annotated[int, Field(ge=0, le=36500)] = 0


class Growth(_Section):
    """Over how many days value and growth are predicted."""

    horizon_days: Annotated[int, Field(gt=0, le=36500)] = 90


class Economics(_Section):
    """What a merchant's sales and a call are worth."""

    take_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    contact_cost: Annotated[float, Field(ge=0)] = 15.0
    discount_rate: Annotated[float, Field(ge=0)] = 0.10


def _known_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # which one depends on the shape of the wrong name
        close = get_close_matches(value, available_timezones(), n=1)
        hint = f'did you mean "{close[0]}"?' if close else 'such as "Europe/London" or "Asia/Shanghai"'
        raise ValueError(f"must be the name of a time zone; {hint}") from None
    return value


class Timeline(_Section):
    """Which cutoffs are trained on, in which currency and time zone."""

    every: str = "month"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"

    @field_validator("every")
    @classmethod
    def _known_step(cls, value: str) -> str:
        if value not in ("month", "week") and not re.fullmatch(r"[1-9]\d{0,3}d", value):
            raise ValueError('must be "month", "week" or a number of days such as "28d"')
        return value


class State(_Section):
    """Where published runs and the ledger are kept."""

    dir: Annotated[str, Field(min_length=1)] = ".keepwell"
    ledger: Annotated[str, Field(min_length=1)] | None = None


class Mlflow(_Section):
    """Where MLflow keeps runs and artifacts, and where people open it: the page of the model leads there."""

    tracking_uri: str | None = None
    artifact_location: str | None = None
    url: str | None = None

    @field_validator("url")
    @classmethod
    def _for_a_browser(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value is not None and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
            raise ValueError('must be an address that a browser opens, such as "https://mlflow.example.com"')
        return value


class Serve(_Section):
    """What `keepwell serve` answers to, and how much it takes on."""

    allowed_hosts: list[str] = []
    session_hours: Annotated[int, Field(ge=1, le=720)] = 12
    body_mib: Annotated[int, Field(ge=1, le=1024)] = 16
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    requests_at_once: Annotated[int, Field(ge=1, le=10_000)] = 64
    log: Literal["problems", "requests"] = "problems"

    @field_validator("allowed_hosts")
    @classmethod
    def _plain_names(cls, names: list[str]) -> list[str]:
        wrong = next((name for name in names if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]", name.lower())), None)
        if wrong is not None:
            raise ValueError(f'must hold names without scheme, port or path, such as "keepwell.example.com", not "{wrong}"')
        return [name.lower() for name in names]


class Webhooks(_Section):
    """Whom `keepwell score` and `keepwell serve` tell of new warnings. The secret is in an environment variable, never in the file."""

    url: str | None = None
    secret_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] = "KEEPWELL_WEBHOOK_SECRET"
    kinds: list[str] | None = None
    owners: list[str] | None = None
    regions: list[str] | None = None
    allow_private: bool = False

    @field_validator("url")
    @classmethod
    def _https_or_here(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        is_here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if value is not None and (not parts.hostname or parts.username or parts.fragment or not (is_here or parts.scheme == "https")):
            raise ValueError('must be an https address without a user, such as "https://crm.example.com/keepwell"; http only on this machine')
        return value


TableSource = FileSource | QuerySource


class Settings(_Section):
    """One checked `keepwell.toml`; `path` is its absolute place."""

    source: dict[str, TableSource]
    churn: Churn = Churn()
    growth: Growth = Growth()
    economics: Economics = Economics()
    timeline: Timeline = Timeline()
    state: State = State()
    mlflow: Mlflow = Mlflow()
    serve: Serve = Serve()
    webhooks: Webhooks = Webhooks()
    path: Path

    @property
    def home(self) -> Path:
        """The directory of the configuration, to which every path in it is relative."""
        return self.path.parent

    @property
    def state_dir(self) -> Path:
        """The directory of published runs, champion and ledger."""
        return self.home / self.state.dir


SECTIONS: dict[str, type[BaseModel] | None] = {
    "source": None,
    "churn": Churn,
    "growth": Growth,
    "economics": Economics,
    "timeline": Timeline,
    "state": State,
    "mlflow": Mlflow,
    "serve": Serve,
    "webhooks": Webhooks,
}
EXPECTED: dict[str, str] = {
    "currency": 'must be a currency code of three capital letters, such as "EUR"',
    "take_rate": "must be a share above 0 and at most 1, such as 0.05",
}
"""Words for what a key must be, where pydantic's own are not plain enough."""


def read_settings(path: Path) -> Settings:
    """The checked settings of a `keepwell.toml` (or of the directory that holds one).

    Raises
    ------
    UsageRefused
        The file is missing, is not TOML, or holds an unknown key or a wrong value.
    """
    path = Path(path).absolute()
    path = path / "keepwell.toml" if path.is_dir() else path
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageRefused(
            f"{path.name} is not valid TOML: {str(error)[:1].lower()}{str(error)[1:]}; correct that line."
        ) from None
    _refuse_unknown_sections(raw, path, text)
    source = _sources(raw.get("source"), path, text)
    try:
        return Settings.model_validate({**raw, "source": source, "path": path})
    except ValidationError as error:
        raise UsageRefused(_sentence(error, path, text, Settings)) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageRefused(f'there is no file "{path.name}" in {path.parent}; name an existing keepwell.toml.') from None
    except UnicodeDecodeError as error:
        raise UsageRefused(f"{path.name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise UsageRefused(f'"{path}" cannot be read: {error.strerror}; check its permissions.') from None


def _refuse_unknown_sections(raw: dict[str, Any], path: Path, text: str) -> None:
    for name, value in raw.items():
        if name not in SECTIONS:
            raise UsageRefused(f'{_place(path, text, name)}: unknown section "{name}"; {did_you_mean(name, SECTIONS)}')
        if not isinstance(value, dict):
            raise UsageRefused(f'{_place(path, text, name)}: "{name}" must be a section; write [{name}] and its keys below it.')


def _sources(section: dict[str, Any] | None, path: Path, text: str) -> dict[str, TableSource]:
    if section is None or "orders" not in section:
        raise UsageRefused(f'{path.name}: [source] must name the table "orders"; add orders = "orders.parquet" below [source].')
    found: dict[str, TableSource] = {}
    for name, value in section.items():
        place = _place(path, text, "source", name)
        if name not in TABLES:
            raise UsageRefused(f'{place}: unknown table "{name}" in [source]; {did_you_mean(name, TABLES)}')
        value = {"path": value} if isinstance(value, str) else value
        if not isinstance(value, dict) or ("path" in value) == ("query" in value):
            raise UsageRefused(f'{place}: table "{name}" must be a path, {{ path = … }} or {{ query = … }}; write one of them.')
        kind = QuerySource if "query" in value else FileSource
        try:
            found[name] = kind.model_validate(value)
        except ValidationError as error:
            raise UsageRefused(_sentence(error, path, text, kind, ("source", name))) from None
    return found


def _sentence(error: ValidationError, path: Path, text: str, model: type[BaseModel], within: tuple[str, ...] = ()) -> str:
    first = error.errors()[0]
    where = (*within, *(str(part) for part in first["loc"]))
    key, section = where[-1], ".".join(where[:-1])
    place = _place(path, text, *where)
    if first["type"] == "extra_forbidden":
        model = SECTIONS[where[0]] or model
        return f'{place}: unknown key "{key}" in [{section}]; {did_you_mean(key, model.model_fields)}'
    expected = EXPECTED.get(key) or first["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return f"{place}: {key} = {_shown(first['input'])} in [{section}] {expected}; correct it."


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _place(path: Path, text: str, *keys: str) -> str:
    """The file and, where the text shows it, the line of a key or of a section."""
    section, *rest = keys
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.strip("[] ").split("]")[0].strip("\"' ") == section
            if inside and not rest:
                return f"{path.name}, line {number}"
        name = re.match(r"""["']?([^"'=\s]+)["']?\s*=""", stripped)
        if name and name[1] in ({rest[0]} if inside and rest else {section} if not rest else {".".join(keys)}):
            return f"{path.name}, line {number}"
    return path.name
