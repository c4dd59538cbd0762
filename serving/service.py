"""The BentoML service: the API and page over the published run. The only import of bentoml.

`serve` is what `keepwell serve` does: BentoML's worker in this process, one address, one line printed, nothing sent anywhere.
BentoML answers /livez; everything else is answered by `serving.api`, so that nothing that BentoML opens by default (its docs,
schema and metrics) is reachable.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bentoml
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import Refused, UsageRefused
from serving.access.callers import Access
from serving.api.ahead import make_ahead
from serving.api.app import create_app
from serving.api.problem import Problem
from serving.api.published import Published, View
from serving.champion import Champion
from serving.live import warm
from serving.ops.logs import to_stderr
from serving.webhooks.sender import Background

STATE = "KEEPWELL_STATE_DIR"
ADDRESS = "KEEPWELL_ADDRESS"
OF_BENTOML = ("/livez",)
HOSTS = ("127.0.0.1", "::1")
DRAIN_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies and clients keep a connection, or one is closed just as it is used again."""
FULL_COLLECTION = (50_000, 50, 100)
"""Allocations before the youngest garbage is looked for, and how many such looks before older: a full one stops every answer for 100 ms."""


class Front:
    """The application in front of BentoML's own routes; what its callers are asked and where MLflow is are given before it is made."""

    access: Access | None = None
    mlflow_url: str | None = None
    made: Front | None = None

    def __init__(self, app: ASGIApp) -> None:
        Front.made = self
        self.bentoml = app
        self.runs = Published(Path(os.environ.get(STATE, ".keepwell")), self.ahead)
        self.app = create_app(self.runs, Front.access, Front.mlflow_url)
        self.runs.follow()

    def ahead(self, view: View, is_wanted: Callable[[], bool]) -> None:
        """Settle what was made for a run, and make more."""
        if is_wanted():
            _freeze()
            make_ahead(view, is_wanted)

    def warm(self, champion: Champion) -> None:
        """Score a merchant that nobody asked for; what hinders it is told to who asks."""
        with suppress(Problem, Refused):
            warm(self.runs.now().surroundings, champion.model)
            _freeze()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to whom it is for."""
        ours = scope["type"] == "http" and scope["path"] not in OF_BENTOML
        await (self.app if ours else self.bentoml)(scope, receive, send)


@bentoml.service(
    name="keepwell",
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    http={"host": "127.0.0.1"},
)
class Keepwell:
    """The published run, served."""

    @bentoml.on_startup
    def tell(self) -> None:
        """Say where the page is, once it can be opened; only then load the champion, which nothing but live predictions needs."""
        _freeze()
        gc.set_threshold(*FULL_COLLECTION)
        if ADDRESS in os.environ:
            print(f"Keepwell serves at {os.environ[ADDRESS]} (stop with Ctrl+C)", flush=True)
        if Front.made is not None:
            Front.made.runs.champions.preload(Front.made.warm)

    @bentoml.on_shutdown
    def end(self) -> None:
        """Wait for nothing that is still being loaded."""
        if Front.made is not None:
            Front.made.runs.champions.stop()
            Front.made.runs.stop()


def _freeze() -> None:
    """What is loaded now stays: it is not garbage, and need not be looked through again."""
    gc.collect()
    gc.freeze()


SERVICE: Any = Keepwell  # the decorator makes a bentoml.Service of the class, which its types do not say
SERVICE.add_asgi_middleware(Front)


def serve(
    config_state_dir: Path,
    host: str = "127.0.0.1",
    port: int = 3000,
    access: Access | None = None,
    background: Background | None = None,
    mlflow_url: str | None = None,
) -> None:
    """Serve the runs of a state directory until stopped; requests under way are finished first.

    Parameters
    ----------
    access : what callers are asked; without it only whoever sits at this machine is served.
    port : 0 takes a free one; the line printed says which.
    background : what delivers messages to other systems meanwhile.
    mlflow_url : where people open MLflow; the page of the model leads there.

    Raises
    ------
    UsageRefused : a host that others can reach, a port that is none or taken.
    """
    state = Path(config_state_dir).resolve()
    Front.access, Front.mlflow_url = access, mlflow_url
    with _bound(host, port, is_open=access is not None and access.bound is not None) as listening:
        name, number = listening.getsockname()[:2]
        os.environ |= _environment(state, f"http://{f'[{name}]' if ':' in name else name}:{number}/", number)
        logging.getLogger("bentoml").setLevel(logging.WARNING)
        to_stderr(logging.INFO if access is not None and access.limits.log == "requests" else logging.WARNING)
        server = uvicorn.Config(
            _direct(SERVICE.to_asgi()),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        if background is not None:
            background.start()
        try:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(server).run(sockets=[listening])
        finally:
            if background is not None:
                background.stop()
            gc.unfreeze()  # or nothing that was frozen is let go of at the end, of which DuckDB's binding complains


def _direct(bentoml_app: ASGIApp) -> ASGIApp:
    """Straight to ours, past what BentoML puts before it: a timer for each request that is only cleared when it has run out, and a tracer.

    BentoML's own application still starts and ends everything, and makes the front when it starts.
    """

    async def serve_direct(scope: Scope, receive: Receive, send: Send) -> None:
        front = Front.made
        ours = front is not None and scope["type"] == "http" and scope["path"] not in OF_BENTOML
        await (front.app if front is not None and ours else bentoml_app)(scope, receive, send)

    return serve_direct


def _environment(state: Path, address: str, port: int) -> dict[str, str]:
    """No telemetry, and a home of BentoML's own for each server."""
    home = str(state / "bentoml" / str(port))
    return {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": home, STATE: str(state), ADDRESS: address}


def _bound(host: str, port: int, is_open: bool = False) -> socket.socket:
    """A socket that already takes calls, so that the address is ours before it is told."""
    address = "127.0.0.1" if host == "localhost" else host
    if address not in HOSTS and not is_open:
        raise UsageRefused(
            f"host {host!r} can be reached from elsewhere, and there are no keys yet to say who may read; use 127.0.0.1."
        )
    if not 0 <= port <= 65535:
        raise UsageRefused(f"port {port} is none; give one from 1 to 65535, or 0 for any that is free.")
    # named as TCP, or asyncio does not switch off Nagle's algorithm and every answer takes 40 ms longer
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageRefused(f"host {host!r} is no address of this machine; give one that is, or 0.0.0.0 for all of them.") from None
        raise UsageRefused(f"port {port} cannot be used: {(error.strerror or 'refused').lower()}; give another one.") from None
    return listening
