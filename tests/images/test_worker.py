"""Whatever happens to a child process becomes a DataError, and the next picture gets a fresh child."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from konvolut.errors import DataError
from konvolut.images.decode import decode
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.images.worker import AHEAD, Worker, inspected

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds there")
HELD: list[Any] = []  # in a child: what stays open as long as it lives

# ---- what children are told to do: the data are a name of one of these


def pid(path: str) -> int:
    return os.getpid()


def abort(path: str) -> None:
    os.abort()


def leave(path: str) -> None:
    os._exit(3)


def killed(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(path: str) -> None:
    time.sleep(3600)


def spin(path: str) -> None:
    """For hours, in C, where no other thread of Python's gets a turn."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def swell(path: str) -> int:
    return len(bytearray(4 << 30))


def refuse(path: str) -> None:
    raise DataError(f"{path}: no")


def mistake(path: str) -> None:
    raise KeyError("ours")


def chatter(path: str) -> str:
    print("to stdout", flush=True)
    os.write(1, b"and by the back door\n")
    return "quiet"


def untravelled(path: str) -> object:
    return object()


def values(path: str) -> Any:
    return {"": None, "é": [True, -(2**40), 0.1, "ü\n", b"\0\xff"], "deep": {"deeper": [[], {}]}}


def arrays(path: str) -> Any:
    return {"listed": [*SAMPLES, np.float32(0.5)]}


def lock(path: str) -> int:
    """Hold a lock on the file `path`, which goes only with the process."""
    HELD.append(Path(path).open("w"))  # noqa: SIM115  (open as long as the process)
    fcntl.flock(HELD[-1], fcntl.LOCK_EX)
    return os.getpid()


def lock_and_sleep(path: str) -> None:
    lock(path)
    sleep(path)


def lock_and_spin(path: str) -> None:
    lock(path)
    spin(path)


def unevenly(path: str) -> str:
    time.sleep(0.05 * (int(path) % 3 == 0))
    if int(path) % 7 == 5:
        raise DataError(f"{path}: no")
    return path


def act(data: bytes, path: str) -> Any:
    return globals()[data.decode()](path)


SAMPLES = (
    np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.zeros((0, 5), np.float32), np.array(7), np.eye(3)[:, ::2],
    np.array([True, False]), np.array([-(2**62), 2**62]), np.array([1.5, np.nan], ">f8"), np.array([3 + 0], np.uint16),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _found_by_children():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield


@pytest.fixture(scope="module")
def worker():
    """One for all: that it still works after each fault is what is claimed."""
    with Worker("test_worker:act", seconds=20) as one:
        yield one


# ---- faults


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("abort", "the decoder crashed (SIGABRT); save it again as PNG or JPEG, or remove it"),
        ("leave", "the decoder crashed (status 3); save it again as PNG or JPEG, or remove it"),
        ("killed", "the decoder was killed, as the system does when memory runs out; make it smaller"),
        pytest.param("swell", "needed more than 1 GiB to decode; make it smaller", marks=LINUX),
    ],
)
def test_a_child_that_comes_to_grief_is_a_dataerror_and_the_next_picture_gets_a_fresh_one(worker, fault, reason):
    before = worker.ask(b"pid", "x")
    assert worker.ask(b"pid", "x") == before != os.getpid()
    with pytest.raises(DataError) as caught:
        worker.ask(fault.encode(), "cat/3.png")
    assert str(caught.value) == f"cat/3.png: {reason}"
    assert worker.ask(b"pid", "x") != before


@pytest.mark.parametrize("fault", ["sleep", "spin"])
def test_one_that_does_not_end_is_ended(fault):
    with Worker("test_worker:act", seconds=0.3) as worker:
        with pytest.raises(
            DataError, match=r"^a\.png: took longer than 0\.3 s to decode; save it again, or remove it$"
        ):
            worker.ask(fault.encode(), "a.png")
        worker.seconds = 20
        assert worker.ask(b"chatter", "x") == "quiet"


def test_a_refusal_travels_and_costs_no_child(worker):
    before = worker.ask(b"pid", "x")
    with pytest.raises(DataError, match=r"^é/1: no$"):
        worker.ask(b"refuse", "é/1")
    assert worker.ask(b"pid", "x") == before


@pytest.mark.parametrize(
    ("fault", "said"), [("mistake", "KeyError: 'ours'"), ("untravelled", "object does not travel")]
)
def test_a_mistake_of_ours_is_no_dataerror_and_shows_where_it_was(worker, fault, said):
    with pytest.raises(RuntimeError, match=r"(?s)Traceback .*worker\.py.*" + said):
        worker.ask(fault.encode(), "x")
    assert worker.ask(b"pid", "x")


@pytest.mark.parametrize("name", ["test_worker:nothing", "no_such_module:act"])
def test_a_function_that_is_not_there_is_a_mistake_of_ours(name):
    with Worker(name) as worker, pytest.raises(RuntimeError, match=r"nothing|no_such_module"):
        worker.ask(b"", "x")


def test_a_child_that_dies_between_two_pictures_is_replaced(worker):
    before = worker.ask(b"pid", "x")
    os.kill(before, signal.SIGKILL)
    assert until(lambda: worker._child.poll() is not None)
    assert worker.ask(b"pid", "x") != before


# ---- what travels


def test_what_a_library_prints_is_no_answer(worker):
    assert worker.ask(b"chatter", "x") == "quiet"


def test_values_travel(worker):
    assert worker.ask(b"values", "x") == values("x")


def test_arrays_travel_to_the_bit_and_may_be_written_to(worker):
    *seen, half = worker.ask(b"arrays", "x")["listed"]
    for sent, got in zip(SAMPLES, seen, strict=True):
        assert (got.dtype, got.shape, got.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())
        got[...] = 0
    assert half == np.float32(0.5)


def test_a_name_that_is_not_utf_8_travels_there_and_back(worker):
    name = os.fsdecode(b"caf\xe9/\xff.png")
    with pytest.raises(DataError) as caught:
        worker.ask(b"refuse", name)
    assert str(caught.value) == f"{name}: no"


def test_a_picture_decoded_there_is_the_picture_decoded_here():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8))
    file = BytesIO()
    image.save(file, "JPEG")
    spec = InputSpec(size=16, fit="crop", jpeg="scaled", background=7)
    with Worker() as worker:
        assert (worker.decode(file.getvalue(), "x") == decode(file.getvalue(), "x")).all()
        seen = worker.decode(file.getvalue(), "x", spec)
        assert (seen == preprocess(decode(file.getvalue(), "x", shrink=lambda w, h: 70 / 16), spec)).all()
        with pytest.raises(DataError, match="x: not an image"):
            worker.decode(b"hello", "x")


# ---- many


def test_results_come_in_the_order_of_their_names_and_refusals_in_their_place():
    names = [str(n) for n in range(40)]
    seen = list(inspected(names, lambda name: b"unevenly", "test_worker:act", workers=2, called=lambda name: name))
    wanted = [f"{n}: no" if n % 7 == 5 else str(n) for n in range(40)]
    assert [str(one) for one in seen] == wanted
    assert [isinstance(one, DataError) for one in seen] == [n % 7 == 5 for n in range(40)]


def test_a_few_are_read_ahead_of_names_without_end_and_children_go_with_the_iterator(tmp_path):
    read: list[str] = []

    def contents(name: str) -> bytes:
        read.append(name)
        return b"lock"

    results = inspected(map(str, count()), contents, "test_worker:act", 2, called=lambda name: str(tmp_path / name))
    pids = {next(results) for _ in range(10)}
    assert 1 <= len(pids) <= 2
    assert len(read) <= 10 + 2 * AHEAD
    results.close()
    assert released(tmp_path / "0")


def test_a_file_that_cannot_be_read_is_refused_in_its_place():
    def contents(name: str) -> bytes:
        if name == "b":
            raise DataError("b: cannot be read")
        return b"chatter"

    seen = list(inspected("abc", contents, "test_worker:act", workers=1))
    assert (seen[0], str(seen[1]), seen[2]) == ("quiet", "b: cannot be read", "quiet")


def test_no_names_need_no_child():
    assert list(inspected([], lambda name: b"", "no_such_module:act")) == []


def test_a_mistake_of_ours_comes_out_of_the_iterator():
    with pytest.raises(RuntimeError, match="KeyError"):
        list(inspected("abc", lambda name: b"mistake", "test_worker:act", workers=1))


# ---- nobody stays behind


@pytest.mark.parametrize("business", ["lock", "lock_and_sleep", "lock_and_spin"])
def test_a_child_ends_when_its_parent_is_killed(business, tmp_path):
    """`spin` hears nothing: its own clock ends it, after twice the time for a picture."""
    program = (
        "import sys, time\n"
        "from konvolut.images.worker import Worker\n"
        "Worker('test_worker:act', seconds=60).ask(b'pid', 'x')\n"
        "worker = Worker('test_worker:act', seconds=0.4)\n"
        "worker._running()\n"
        "worker.seconds = 60\n"
        "worker.ask(sys.argv[1].encode(), sys.argv[2])\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, business, str(tmp_path / "held")])
    try:
        until(lambda: (tmp_path / "held").exists() and not free(tmp_path / "held"))
        assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    assert released(tmp_path / "held")


def until(true: Any, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(found)


def free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def released(path: Path) -> bool:
    return until(lambda: free(path))
