"""Files that processes share."""

import multiprocessing
import os
import resource
import sys
from multiprocessing.connection import Connection

import pytest

from app.model.shared_file import SharedFile

CONTENT = bytes(range(256)) * 9000


def answer(file: SharedFile, connection: Connection) -> None:
    path = file.path()
    connection.send((file.read(), path and path.read_bytes()))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_another_process_reads_the_same(
    monkeypatch: pytest.MonkeyPatch, platform: str, method: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        file = SharedFile(CONTENT)
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(file, theirs))  # type: ignore[attr-defined]
    process.start()
    content, by_path = ours.recv()
    process.join()
    assert content == file.read() == CONTENT
    assert by_path == (CONTENT if platform == "linux" else None)


def test_no_process_can_change_it() -> None:
    file = SharedFile(CONTENT)
    with pytest.raises(PermissionError):
        os.pwrite(file._descriptor, b"x", 0)
    assert file.read() == CONTENT


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares the file")
def test_a_process_that_can_open_nothing_reads_it() -> None:
    file = SharedFile(CONTENT)
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        try:
            os._exit(file.read() != CONTENT)
        except OSError:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_its_memory_ends_with_it() -> None:
    before = descriptors()
    files = [SharedFile(CONTENT) for _ in range(5)]
    assert descriptors() == before + 5
    del files
    assert descriptors() == before
