"""Pictures that nobody vouches for are looked at in child processes, which may crash, hang or eat memory alone. No torch.

Parent and child speak over the child's stdin and stdout: four bytes of length, big-endian, then one msgpack value. An
array travels as an extension type: nothing is ever unpickled. A child ends when its stdin closes, so none outlives its
parent, and by its own clock when it is too busy to notice.
"""

import faulthandler
import os
import signal
import struct
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from io import BufferedIOBase
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, local
from typing import Any

import msgspec
import numpy as np
from numpy import ndarray

from konvolut.errors import DataError
from konvolut.images.decode import decode
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.types import Picture

SECONDS = 10.0  # for one picture
MEMORY = 1 << 30  # bytes, beyond what the child takes before its first picture
START = 60.0  # seconds a child may take to load what it works with
AHEAD = 4  # pictures read ahead for each worker

_LENGTH = struct.Struct(">I")
_ARRAY = 1  # msgpack extension type: dtype and shape as msgpack, with its length before it, then the values
_KINDS = "biuf"


class Worker:
    """One child process that calls `function`, "module:function", with (data, path) and what else it is told.

    The function returns numbers, text, bytes, lists, dicts and numpy arrays. Whatever becomes of the child becomes a
    DataError with `path`, and the next picture gets a fresh child. One thread at a time may ask.
    """

    def __init__(
        self, function: str = "konvolut.images.worker:picture", seconds: float = SECONDS, memory: int = MEMORY
    ) -> None:
        self.function = function
        self.seconds = seconds
        self.memory = memory  # bytes; held where the system knows RLIMIT_AS: Linux does, macOS and Windows do not
        self._child: subprocess.Popen[bytes] | None = None
        self._replies: SimpleQueue[bytes | None] = SimpleQueue()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, data: bytes, path: str, spec: InputSpec | None = None) -> Picture:
        """`decode.decode` in the child; with `spec` also fitted, so that less comes back."""
        picture: Picture = self.ask(data, path, spec=spec)
        return picture

    def ask(self, data: bytes, path: str, **more: Any) -> Any:
        """What the function makes of one picture.

        Raises DataError as the function does, and when the child crashes, takes too long or needs too much memory.
        Any other exception of the function is a mistake of ours: RuntimeError, with the child's traceback.
        """
        message = _packed({"data": data, "path": _bytes(path), "more": more})
        child = self._running()
        try:
            assert child.stdin is not None
            child.stdin.write(_LENGTH.pack(len(message)) + message)
            child.stdin.flush()
        except OSError:  # it died before it had read all: its exit status says how
            raise DataError(f"{path}: {self._ended(child)}") from None
        try:
            reply = self._replies.get(timeout=self.seconds)
        except Empty:
            self.close()
            raise DataError(
                f"{path}: took longer than {self.seconds:g} s to decode; save it again, or remove it"
            ) from None
        if reply is None:
            raise DataError(f"{path}: {self._ended(child)}")
        answer = _unpacked(reply)
        if "memory" in answer:
            self.close()  # what is left of it may be short of memory for the next one too
            raise DataError(f"{path}: needed more than {self.memory / 2**30:g} GiB to decode; make it smaller")
        return _result(answer)

    def close(self) -> None:
        """End the child, whatever it does. The next question starts another."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):  # what could not be written is not wanted any more
                    assert pipe is not None
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        told = [self.function, str(self.seconds), str(self.memory)]
        # One thread of linear algebra: each would take its own share of the memory that is limited.
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "konvolut.images.worker", *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries that decode print there
            env=alone,
        )
        self._replies = SimpleQueue()
        Thread(target=_listen, args=(self._child.stdout, self._replies), daemon=True).start()
        try:
            reply = self._replies.get(timeout=START)
        except Empty:
            reply = None
        if reply is None:
            self.close()
            raise RuntimeError(f"{self.function}: a process to call it in did not start")
        _result(_unpacked(reply))
        return self._child

    def _ended(self, child: subprocess.Popen[bytes]) -> str:
        """Why the child is no more."""
        status = child.wait()
        self.close()
        if status == -getattr(signal, "SIGKILL", 9):
            return "the decoder was killed, as the system does when memory runs out; make it smaller"
        return f"the decoder crashed ({_status(status)}); save it again as PNG or JPEG, or remove it"


def inspected(
    names: Iterable[str],
    contents: Callable[[str], bytes],
    function: str,
    workers: int | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    called: Callable[[str], str] = str,
) -> Iterator[Any]:
    """What `function`, "module:function", makes of each picture, or the DataError that came of it; in order of `names`.

    `contents` gives a name's bytes, here, and `called` what messages call it; `workers` child processes (one a core)
    then work for `seconds` a picture at most. A few pictures a worker are read ahead, however many there are.
    """
    count = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1
    started: list[Worker] = []
    own = local()

    def start() -> None:
        own.worker = Worker(function, seconds, memory)
        started.append(own.worker)

    def one(name: str) -> Any:
        try:
            return own.worker.ask(contents(name), called(name))
        except DataError as error:
            return error

    waiting: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(count, initializer=start)
    try:
        for name in names:
            waiting.append(pool.submit(one, name))
            if len(waiting) >= AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in started:
            worker.close()
        pool.shutdown()
        for worker in started:  # one may have started a child since
            worker.close()


def picture(data: bytes, path: str, spec: dict[str, Any] | None = None) -> Picture:
    """What `Worker.decode` calls in the child."""
    if spec is None:
        return decode(data, path)
    wanted = msgspec.convert(spec, InputSpec)
    return preprocess(decode(data, path, **wanted.decoding), wanted)


# ---- what travels


def _packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_array_out)


def _unpacked(message: bytes) -> Any:
    return msgspec.msgpack.decode(message, ext_hook=_array_in)


def _array_out(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, ndarray) or value.dtype.kind not in _KINDS:
        raise TypeError(f"{type(value).__name__} does not travel; return numbers, text, lists, dicts and arrays")
    form = msgspec.msgpack.encode([value.dtype.str, value.shape])
    return msgspec.msgpack.Ext(_ARRAY, _LENGTH.pack(len(form)) + form + value.tobytes())


def _array_in(code: int, held: memoryview) -> Any:
    assert code == _ARRAY
    start = _LENGTH.size + _LENGTH.unpack_from(held)[0]
    dtype, shape = msgspec.msgpack.decode(held[_LENGTH.size : start], type=tuple[str, tuple[int, ...]])
    assert np.dtype(dtype).kind in _KINDS
    # bytearray: whoever gets the array may write to it
    return np.frombuffer(bytearray(held[start:]), dtype).reshape(shape)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a path need not be UTF-8


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _result(answer: Any) -> Any:
    if "fault" in answer:
        raise RuntimeError(_text(answer["fault"]))
    if "error" in answer:
        raise DataError(_text(answer["error"]))
    return answer["value"]


def _received(stream: BufferedIOBase) -> bytes | None:
    """The next message, or None when there is no whole one to come."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    message = stream.read(length)
    return message if len(message) == length else None


def _listen(stream: BufferedIOBase, replies: "SimpleQueue[bytes | None]") -> None:
    with suppress(OSError, ValueError):  # closed under our hands
        while (message := _received(stream)) is not None:
            replies.put(message)
    replies.put(None)


def _status(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"status {status}"


# ---- the child


def main(name: str, seconds: float, memory: int) -> None:
    """Answer until stdin closes."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115  (open as long as the process)
    questions: SimpleQueue[bytes | None] = SimpleQueue()

    def reply(answer: dict[str, Any]) -> None:
        message = _packed(answer)
        replies.write(_LENGTH.pack(len(message)) + message)
        replies.flush()

    def listen() -> None:
        _listen(sys.stdin.buffer, questions)  # type: ignore[arg-type]
        os._exit(0)  # the parent is gone, whatever the other thread may be at

    try:
        module, _, attribute = name.partition(":")
        function = getattr(import_module(module), attribute)
    except Exception:
        return reply({"fault": _bytes(traceback.format_exc())})
    _limit(memory)
    reply({"value": None})
    Thread(target=listen, daemon=True).start()
    while (message := questions.get()) is not None:
        faulthandler.dump_traceback_later(2 * seconds + 1, exit=True, file=nowhere)  # for want of a parent who kills
        reply(_answer(function, message))
        faulthandler.cancel_dump_traceback_later()
    return None


def _answer(function: Callable[..., Any], message: bytes) -> dict[str, Any]:
    try:
        asked = _unpacked(message)
        value = function(asked["data"], _text(asked["path"]), **asked["more"])
        return {"value": msgspec.Raw(_packed(value))}
    except DataError as error:
        return {"error": _bytes(str(error))}
    except MemoryError:
        return {"memory": True}
    except Exception:
        return {"fault": _bytes(traceback.format_exc())}


def _limit(memory: int) -> None:
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + memory
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
