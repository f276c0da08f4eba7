"""Whatever happens to a checkpoint's file, the state that is read is one that was written."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from konvolut.errors import RunError
from konvolut.training.checkpoint import KEPT, Checkpoints

DEATHS = """
import os, signal, sys, torch
from pathlib import Path
from konvolut.training.checkpoint import Checkpoints

root, calls, died = Path(sys.argv[1]), ("fsync", "replace", "unlink"), 0
for late in (False, True):  # killed before the call, or right after it
    for fatal in range(100):
        folder = root / f"{late}-{fatal}"
        folder.mkdir()
        if not (child := os.fork()):
            count = 0
            def deadly(call):
                def made(*words, **more):
                    global count
                    count += 1
                    if count == fatal + 1 and not late:
                        os.kill(os.getpid(), signal.SIGKILL)
                    given = call(*words, **more)
                    if count == fatal + 1:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return given
                return made
            for name in calls:
                setattr(os, name, deadly(getattr(os, name)))
            states = Checkpoints(folder / "states")
            for step in range(4):
                states.save({"step": torch.full((1000,), step)}, step)
                (folder / "saved").write_text(str(step))
            os._exit(0)
        _, how = os.waitpid(child, 0)
        saved = int((folder / "saved").read_text()) if (folder / "saved").exists() else -1
        state, notes = Checkpoints(folder / "states").newest()
        assert not notes, (fatal, notes)
        found = -1 if state is None else int(state["step"][0])
        assert found in (saved, saved + 1), (fatal, found, saved)
        if not os.WIFSIGNALED(how):
            assert found == 3
            break
        died += 1
print(died)
"""


def kept(folder: Path, *steps: int) -> Checkpoints:
    states = Checkpoints(folder / "states")
    for step in steps:
        states.save({"step": torch.full((64,), step)}, step)
    return states


def step_of(states: Checkpoints) -> int:
    state, _ = states.newest()
    assert state is not None
    return int(state["step"][0])


def test_the_newest_is_read_and_only_a_few_stay(tmp_path):
    states = kept(tmp_path, 9, 10, 100)
    assert step_of(states) == 100
    assert len(list(states.folder.iterdir())) == KEPT
    assert Checkpoints(tmp_path / "none").newest() == (None, ())


def test_a_flipped_bit_is_never_believed(tmp_path):
    states = kept(tmp_path, 1, 2)
    file = states.files()[0]
    whole, chance = file.read_bytes(), random.Random(0)
    for _ in range(1000):
        broken = bytearray(whole)
        broken[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(broken)
        state, notes = states.newest()
        assert int(state["step"][0]) == 1
        assert notes == ("the checkpoint of step 2 is damaged: the one before it is taken",)
    for one in states.files():
        one.write_bytes(whole[:-1])
    with pytest.raises(RunError, match="damaged, every checkpoint of it"):
        states.newest()


def test_killed_at_any_call_that_changes_the_disk_it_keeps_the_last_good_state(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DEATHS, str(tmp_path)], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    # Four states: each brought to the disk, renamed, its folder brought to the disk; two are taken away again.
    assert int(done.stdout) == 2 * (4 * 3 + 2)


@pytest.mark.skipif(os.name == "nt", reason="limits are those of Unix")
def test_a_disk_that_takes_no_more_is_said_and_the_state_before_stays(tmp_path):
    """A limit on the size of files is the error of a full disk that no root is needed for."""
    script = """
import resource, signal, sys, torch
from pathlib import Path
from konvolut.errors import RunError
from konvolut.training.checkpoint import Checkpoints
states = Checkpoints(Path(sys.argv[1]) / "states")
states.save({"step": torch.full((64,), 1)}, 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    states.save({"step": torch.full((100_000,), 2)}, 2)
except RunError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "step 2 cannot be kept" in done.stdout
    assert f"konvolut train --resume {tmp_path}" in done.stdout
    assert step_of(Checkpoints(tmp_path / "states")) == 1
    assert len(list((tmp_path / "states").iterdir())) == 1


def traced(inject: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = """
import sys, torch
from pathlib import Path
from konvolut.training.checkpoint import Checkpoints
states = Checkpoints(Path(sys.argv[1]) / "states")
for step in range(1, 4):
    states.save({"step": torch.full((1000,), step)}, step)
"""
    line = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,rename,unlink", "-e", inject]
    return subprocess.run(
        [*line, sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )


needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


@needs_strace
def test_a_disk_that_fails_is_said(tmp_path):
    (tmp_path / "states").mkdir()
    done = traced("inject=fsync:error=EIO:when=3", tmp_path)  # of the second state's file
    assert "RunError" in done.stderr
    assert "step 2 cannot be kept (Input/output error)" in done.stderr
    assert step_of(Checkpoints(tmp_path / "states")) == 1


@pytest.mark.slow
@needs_strace
@pytest.mark.parametrize("call", ["fsync", "rename", "unlink"])
def test_killed_at_any_such_call_of_the_system(tmp_path, call):
    for when in range(1, 10):
        folder = tmp_path / str(when)
        folder.mkdir()
        done = traced(f"inject={call}:signal=KILL:when={when}", folder)
        state, notes = Checkpoints(folder / "states").newest()
        assert not notes
        if done.returncode == 0:
            assert when > 1
            break
        assert state is None or int(state["step"][0]) in (1, 2, 3)
