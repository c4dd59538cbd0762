"""`serve` as a stranger starts it: one line, one address, nothing of BentoML's own open, nothing sent away, a clean end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import httpx
import pytest

from features.errors import UsageRefused
from serving.run import Run

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from pathlib import Path; from serving.service import serve; serve(Path(sys.argv[1]), port=0)"


@pytest.fixture(scope="module")
def server(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and its address."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home)}
    command = [sys.executable, "-c", START, str(run.path.parent.parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=home)
    late = Timer(60, process.kill)
    late.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    late.cancel()
    found = re.fullmatch(r"Keepwell serves at (http://127\.0\.0\.1:\d+)/ \(stop with Ctrl\+C\)\n", line)
    assert found, line + process.communicate()[1]
    yield process, found[1]
    process.kill()


@pytest.fixture(scope="module")
def serve() -> Callable[..., None]:
    """`serve`; on its way in BentoML uses what its own dependencies call deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from serving.service import serve
    return serve


def test_the_run_is_served_and_bentomls_own_pages_are_not(server: tuple[subprocess.Popen[str], str], run: Run) -> None:
    _, address = server
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").json()["run_id"] == run.run_id
        assert client.get("/v1/at-risk?capacity=3").json()["count"] == 3
        assert client.post("/v1/predict", json={"merchant_ids": ["m001"]}).json()["predictions"][0]["merchant_id"] == "m001"
        assert "Merchants at risk" in client.get("/").text
        for path in ("/docs.json", "/schema.json", "/healthz", "/static_content/swagger-ui.css"):
            answer = client.get(path)
            assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json", path
        assert client.get("/v1/at-risk", headers={"host": "evil.example"}).status_code == 421


def test_answers_do_not_wait_for_acknowledgements(server: tuple[subprocess.Popen[str], str]) -> None:
    with httpx.Client(base_url=server[1], trust_env=False) as client:
        assert min(client.get("/readyz").elapsed.total_seconds() for _ in range(20)) < 0.03


def test_it_ends_on_ctrl_c_and_printed_one_line(server: tuple[subprocess.Popen[str], str]) -> None:
    process, address = server
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_a_host_that_others_reach_is_refused(serve: Callable[..., None], tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageRefused, match=r"there are no keys yet .* use 127\.0\.0\.1"):
        serve(tmp_path, host=host)


def test_a_taken_port_is_refused(serve: Callable[..., None], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageRefused, match="give another one"):
            serve(tmp_path, port=taken.getsockname()[1])
    with pytest.raises(UsageRefused, match="port 70000 is none"):
        serve(tmp_path, port=70000)


def test_it_starts_without_the_training_stack() -> None:
    loaded = "{name.split('.')[0] for name in sys.modules}"
    check = f"import sys, serving.service; print(sorted({loaded} & {{'mlflow', 'training', 'sklearn', 'shap'}}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
