"""A real server on all addresses, started and stopped as whoever runs it does: keys are asked for, and a revoked one is out within seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer
from typing import Any

import httpx

from serving.run import Run

ROOT = Path(__file__).resolve().parents[3]
START = "import sys; sys.argv[0] = 'keepwell'; import keepwell; keepwell.main()"


def keepwell(home: Path, *words: str) -> Any:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home), "KEEPWELL_SERVE_ALLOWED_HOSTS": "keepwell.example"}
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment, "cwd": home}
    return subprocess.Popen([sys.executable, "-c", START, *words], **given)


def test_a_server_on_all_addresses_asks_for_keys(placed_run: Run, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "runs").symlink_to(placed_run.path.parent)
    (tmp_path / "keepwell.toml").write_text('[source]\norders = "orders.parquet"\n[state]\ndir = "state"\n')
    refused = keepwell(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    out, err = refused.communicate(timeout=60)
    assert (refused.returncode, out) == (2, "") and "there are no keys yet" in err and err.count("\n") == 1
    key = json.loads(keepwell(tmp_path, "keys", "add", "ann", "--role", "retention", "--json").communicate(timeout=60)[0])["key"]
    server = keepwell(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    late = Timer(90, server.kill)
    late.start()
    try:
        port = re.search(r"http://0\.0\.0\.0:(\d+)/", server.stdout.readline())
        assert port, server.communicate()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port[1]}", trust_env=False) as client:
            mine = {"Authorization": f"Bearer {key}"}
            assert [client.get(path).status_code for path in ("/livez", "/readyz", "/v1/at-risk")] == [200, 200, 401]
            assert client.get("/v1/at-risk", headers=mine | {"Host": "keepwell.example"}).status_code == 200
            assert client.get("/v1/at-risk", headers=mine | {"Host": "0.0.0.0"}).status_code == 421
            assert keepwell(tmp_path, "keys", "revoke", "ann").communicate(timeout=60)[1] == ""
            since = time.monotonic()
            while client.get("/v1/model", headers=mine).status_code == 200:
                assert time.monotonic() - since < 5
                time.sleep(0.05)
            assert "was revoked" in client.get("/v1/model", headers=mine).json()["detail"]
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
        assert (server.returncode, out, err) == (0, "", "")
        content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "runs" not in path.parts)
        assert key.encode() not in content and key[11:].encode() not in content
    finally:
        late.cancel()
        server.kill()
