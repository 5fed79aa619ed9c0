"""Photos in S3, served by moto on loopback: the same rows as from the folder."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.scoring import object_store
from tests.app.scoring.conftest import DIGITS, Score
from tests.app.scoring.test_score import rounded
from tests.conftest import ROOT, Command


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 on loopback."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the folder's files in S3, below a prefix, and other files beside it."""
    import httpx
    import obstore
    from obstore.store import S3Store

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # moto takes any
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.put(f"{endpoint}/pictures").raise_for_status()
    store = S3Store("pictures")
    line = folder / "deep" / "deeper" / "Ünï \n line.PNG"
    line.rename(line.with_name("Ünï 100% +.PNG"))  # obstore knows no paths with a line break
    for path in folder.rglob("*"):
        if path.is_file():
            obstore.put(store, f"of/2026/{path.relative_to(folder)}", path.read_bytes())
    obstore.put(store, "of/2026-other/beside.png", b"not below the prefix")
    return "s3://pictures/of/2026"


def test_s3_has_the_rows_of_the_folder(bucket: str, folder: Path, score: Score) -> None:
    rows = rounded(score(f"{bucket}/"))
    assert len(rows) == 20
    assert rows == rounded(score(folder))


def test_a_list_may_name_objects_and_files(
    bucket: str, folder: Path, score: Score, tmp_path: Path
) -> None:
    names = [f"{bucket}/7/1.png", f"{folder}/7/1.png", f"{bucket}/7/none.png", f"{bucket}/7//0.png"]
    (tmp_path / "list.txt").write_text("\n".join(names))
    rows = score(tmp_path / "list.txt")
    assert [row.path for row in rows] == names
    assert rows[0].label == rows[1].label
    assert [row.problem for row in rows] == [None, None, "unreadable", "unreadable"]


def test_a_large_object_is_not_read(
    bucket: str, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_MAX_BYTES", "1024")
    rows = score(bucket)
    assert {row.path for row in rows if row.problem == "too-many-bytes"} == set()
    import obstore
    from obstore.store import S3Store

    obstore.put(S3Store("pictures"), "of/2026/large.png", bytes(1025))
    found = {row.path: row.problem for row in score(bucket)}
    assert found["large.png"] == "too-many-bytes"
    obstore.delete(S3Store("pictures"), "of/2026/large.png")


@pytest.mark.parametrize("address", ["s3://none/of", "s3://pictures/nothing", "gs://nowhere"])
def test_what_cannot_be_listed_is_one_line(
    address: str, bucket: str, run_here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "no-key.json"))
    done = run_here("app.score", address, "--output", tmp_path / "o.csv", "--model", DIGITS)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"python -m app.score: error: {address}: ")


def test_a_store_that_is_away_ends_the_scoring(
    bucket: str, run_here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text(f"{bucket}/7/1.png")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(object_store.RETRIES, "max_retries", 1)
    done = run_here(
        "app.score", tmp_path / "list.txt", "--output", tmp_path / "o.csv", "--model", DIGITS
    )  # fmt: skip
    assert done.returncode == 2
    assert "Check the address, the keys and the endpoint" in done.stderr
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("source", ["s3://pictures/of", "list.txt"])
def test_ctrl_c_ends_it_also_while_the_store_is_silent(source: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("s3://pictures/of/1.png")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "PYTHONPATH": str(ROOT),
        }
        words = [source, "--output", "o.csv", "--model", str(DIGITS)]
        with subprocess.Popen(
            [sys.executable, "-m", "app.score", *words],
            cwd=tmp_path,
            env=os.environ | settings,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            listener.settimeout(60)
            connection, _ = listener.accept()  # it asks, and gets no answer
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=15)
            connection.close()
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("run the same command again to continue")
