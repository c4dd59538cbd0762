"""What a server takes on: settings out of keepwell.toml and the environment, requests at a time, and failed attempts to sign in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from features.errors import UsageRefused, did_you_mean
from features.settings import Serve

PREFIX = "KEEPWELL_SERVE_"


def with_environment(settings: Serve, environment: Mapping[str, str]) -> Serve:
    """The settings of [serve] with those that the environment sets instead: `KEEPWELL_SERVE_` and the key in capitals, lists with commas.

    Raises
    ------
    UsageRefused : a variable of an unknown key, or with a wrong value.

    Examples
    --------
    >>> with_environment(Serve(), {"KEEPWELL_SERVE_ALLOWED_HOSTS": "a.example, b.example"}).allowed_hosts
    ['a.example', 'b.example']
    """
    given: dict[str, object] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in Serve.model_fields:
            known = [PREFIX + field.upper() for field in Serve.model_fields]
            raise UsageRefused(f"environment variable {name} is not understood; {did_you_mean(name, known)}")
        text = environment[name]
        given[key] = [part.strip() for part in text.split(",") if part.strip()] if key == "allowed_hosts" else text.strip()
    try:
        return Serve.model_validate(settings.model_dump() | given, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        wrong = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
        raise UsageRefused(f'environment variable {name} is "{environment.get(name, "")}", but it {wrong}; correct it.') from None


class Throttle:
    """Failed attempts by address, the last ones of a minute; who has failed too often waits.

    Examples
    --------
    >>> throttle = Throttle(most=2)
    >>> for second in (0, 10): throttle.failed("10.0.0.1", f"2026-01-01T06:00:{second:02}+00:00")
    >>> throttle.wait("10.0.0.1", "2026-01-01T06:00:20+00:00"), throttle.wait("10.0.0.2", "2026-01-01T06:00:20+00:00")
    (40, 0)
    """

    def __init__(self, most: int = 10, seconds: int = 60, addresses: int = 4096) -> None:
        self.most, self.seconds, self.addresses = most, seconds, addresses
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str, now: str) -> int:
        """How many seconds an address has to wait before its next attempt."""
        times = self._failed.get(address)
        if times is None or len(times) < self.most:
            return 0
        return max(0, round(times[0] + self.seconds - datetime.fromisoformat(now).timestamp()))

    def failed(self, address: str, now: str) -> None:
        """Note a failure; of very many addresses the longest quiet ones are forgotten."""
        self._failed.setdefault(address, deque(maxlen=self.most)).append(datetime.fromisoformat(now).timestamp())
        self._failed.move_to_end(address)
        while len(self._failed) > self.addresses:
            self._failed.popitem(last=False)
