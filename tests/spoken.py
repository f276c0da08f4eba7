"""Runs the command line in this process: what it prints, and its exit status."""

import sys
from dataclasses import dataclass

import pytest

from konvolut.cli.main import main


@dataclass(frozen=True)
class Told:
    status: int
    out: str
    err: str


def konvolut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> Told:
    monkeypatch.setattr(sys, "argv", ["konvolut", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    code = stop.value.code
    return Told(code if isinstance(code, int) else 0, *capsys.readouterr())
