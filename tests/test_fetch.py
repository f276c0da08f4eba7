"""Downloads against a server that misbehaves: what arrives is the file, byte for byte, or one line says why not."""

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path
from threading import Event
from time import sleep

import numpy as np
import pytest
from serving import Site, site

from konvolut import fetch as module
from konvolut.errors import DataError, WeightsError
from konvolut.fetch import Remote, cache, cached, fetch, unpack

BODY = np.random.default_rng(5).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
HASH = sha256(BODY).hexdigest()
CHUNKS = 32_768  # bytes of two chunks: what is kept of a connection that is cut after them


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("KONVOLUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def web():
    with site() as running:
        yield running


def remote(*urls: str, digest: str = HASH, size: int = len(BODY), exact: bool = True) -> Remote:
    return Remote(f"set/{urls[0].rpartition('/')[2]}", urls, digest, size, exact)


def got(*urls: str, **known: object) -> bytes:
    (path,) = fetch([remote(*urls, **known)], "set")
    return path.read_bytes()


def left(room: Path) -> set[str]:
    """What lies in the cache, less the locks."""
    return {path.name for path in (room / "set").iterdir() if path.suffix != ".lock"}


def test_a_file_arrives_once_and_is_kept(web, room, capsys):
    url = web.serve("/a.bin", BODY)
    assert got(url) == BODY
    assert (room / "set" / "a.bin").read_bytes() == BODY
    assert capsys.readouterr().err.startswith(f"set: downloading 0.10 MB from {web.address[7:]} into ")
    assert got(url) == BODY
    assert len(web.asked) == 1
    assert left(room) == {"a.bin", "a.bin.json"}
    assert capsys.readouterr().err == ""


def test_eight_digits_of_the_hash_and_a_bound_on_the_size_will_do(web):
    assert got(web.serve("/a.bin", BODY), digest=HASH[:8], size=len(BODY) + 500, exact=False) == BODY
    with pytest.raises(DataError, match="100,000 bytes instead of 99,000"):
        got(web.serve("/b.bin", BODY), digest=HASH[:8], size=99_000, exact=False)


@pytest.mark.parametrize("etag", ['"strong"', 'W/"weak"', ""])
def test_a_connection_that_is_cut_again_and_again_goes_on_by_range(web, etag):
    url = web.serve("/a.bin", BODY, cut=CHUNKS, etag=etag)
    assert got(url) == BODY
    condition = etag if etag.startswith('"') else ""
    ranges = [("", ""), *((f"bytes={at}-", condition) for at in (CHUNKS, 2 * CHUNKS, 3 * CHUNKS))]
    assert [asked[1:] for asked in web.asked] == ranges


def test_a_file_without_a_length_that_ends_early_is_gone_on_with(web):
    assert got(web.serve("/a.bin", BODY, cut=60_000, length=-1)) == BODY
    assert [asked[1] for asked in web.asked] == ["", "bytes=60000-"]


def test_a_server_that_ignores_range_is_read_from_the_start(web, room):
    started(room, BODY[:40_000])
    assert got(web.serve("/a.bin", BODY, ranges=False)) == BODY


def test_a_server_that_ignores_range_and_always_cuts_is_given_up(web, room):
    url = web.serve("/a.bin", BODY, ranges=False, cut=40_000)
    with pytest.raises(DataError, match=r"cut.*, 3 times"):
        got(url)
    assert len(web.asked) == 4  # the first brought something
    web.files["/a.bin"].cut = None
    assert got(url) == BODY


def test_a_server_that_sends_another_range_is_read_from_the_start(web, room):
    started(room, BODY[:40_000])
    assert got(web.serve("/a.bin", BODY, shift=8)) == BODY
    assert [asked[1] for asked in web.asked] == ["bytes=40000-", ""]


def test_a_file_that_changed_meanwhile_is_sent_whole(web, room):
    started(room, b"x" * 40_000, url=f"{web.address}/a.bin", mark='"old"')
    assert got(web.serve("/a.bin", BODY, etag='"new"')) == BODY
    assert [asked[1:] for asked in web.asked] == [("bytes=40000-", '"old"')]


@pytest.mark.parametrize("kept", [b"x" * 40_000, b"x" * len(BODY), b"x" * (len(BODY) + 9)])
def test_a_beginning_that_was_of_another_file_is_dropped(web, room, kept):
    started(room, kept)
    assert got(web.serve("/a.bin", BODY)) == BODY


def test_a_whole_file_that_only_lacked_its_name_is_not_asked_for_again(web, room):
    started(room, BODY)
    assert got(web.serve("/a.bin", BODY)) == BODY
    assert not web.asked
    started(room, BODY, "b.bin")  # where the size is not known, the server says that there is no more (416)
    assert got(web.serve("/b.bin", BODY), digest=HASH[:8], size=len(BODY) + 500, exact=False) == BODY
    assert [asked[1] for asked in web.asked] == ["bytes=100000-"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"body": BODY[::-1]}, "other bytes in its place"),
        ({"body": b"<!DOCTYPE html>" + BODY[15:], "kind": "text/html"}, "a web page in its place"),
        ({"body": b"<html>not found</html>", "kind": "text/html"}, "a web page of 22 bytes instead of 100,000"),
        ({"body": BODY[:-1]}, "99,999 bytes instead of 100,000"),
        ({"body": BODY, "length": 150_000}, "150,000 bytes instead of 100,000"),
        ({"body": BODY, "length": 50_000}, "50,000 bytes instead of 100,000"),
        ({"body": BODY + BODY, "length": -1}, "more than 100,000 bytes"),
        ({"body": b"", "status": 403}, "status 403"),
        ({"body": b"", "status": 500}, "status 500, 3 times"),
        ({"body": b"", "status": 302, "leads": "file:///etc/passwd"}, "leads to 'file:///etc/passwd', and only http"),
        ({"body": b"", "status": 301, "leads": "ftp://127.0.0.1/a.bin"}, "leads to 'ftp:"),
        ({"body": b"", "status": 302, "leads": "/a.bin"}, "redirects"),
        ({"body": BODY, "cut": 0}, "cut.*, 3 times"),
    ],
)
def test_wrong_answers_are_refused_and_the_next_address_serves(web, room, how, reason):
    bad = web.serve("/a.bin", **how)
    with pytest.raises(DataError, match=reason) as error:
        got(bad)
    assert f"get {bad} and put it into {room / 'set'}" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (room / "set" / "a.bin").exists()
    good = web.serve("/mirror/a.bin", BODY)
    assert got(bad, good) == BODY
    assert left(room) == {"a.bin", "a.bin.json"}


def test_length_that_is_never_reached_is_a_cut(web):
    """100,000 bytes and a head that promises 100,010 of a file whose size is only bounded."""
    url = web.serve("/a.bin", BODY, length=100_010, ranges=False)
    with pytest.raises(DataError, match="the connection was cut, 3 times"):
        got(url, digest=HASH[:8], size=101_000, exact=False)


def test_a_redirect_to_the_same_server_is_followed(web):
    web.serve("/real", BODY)
    assert got(web.serve("/a.bin", b"", status=302, leads="/real")) == BODY


def test_a_server_that_is_busy_twice_is_asked_again(web):
    assert got(web.serve("/a.bin", BODY, failing=2)) == BODY


def test_a_gz_that_a_server_calls_an_encoding_stays_packed(web):
    import gzip

    packed = gzip.compress(BODY)
    url = web.serve("/a.gz", packed, encoding="gzip")
    assert got(url, digest=sha256(packed).hexdigest(), size=len(packed)) == packed


def test_a_beginning_is_gone_on_with_at_a_mirror(web, room):
    first = web.serve("/a.bin", BODY, cut=CHUNKS, ranges=False)
    assert got(first, web.serve("/mirror/a.bin", BODY)) == BODY
    assert web.asked[-1] == ("/mirror/a.bin", f"bytes={CHUNKS}-", "")


def test_without_a_network_the_line_names_files_and_folder(room):
    files = [remote("http://127.0.0.1:9/a.gz"), remote("http://127.0.0.1:9/b.gz")]
    with pytest.raises(WeightsError) as error:
        fetch(files, "set", WeightsError)
    assert str(error.value) == (
        "set: not downloaded (127.0.0.1:9: no connection, 3 times); where there is a way, get http://127.0.0.1:9/a.gz,"
        f" http://127.0.0.1:9/b.gz and put them into {room / 'set'}"
    )


def test_a_file_put_there_by_hand_counts_and_a_damaged_one_does_not(web, room):
    file = remote(web.serve("/a.bin", BODY))
    assert cached(file) is None
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(BODY)
    assert cached(file) == file.path
    file.path.write_bytes(BODY[::-1])
    os.utime(file.path, ns=(1, 1))
    assert cached(file) is None
    assert got(file.urls[0]) == BODY


def test_a_kept_file_is_not_hashed_again(room, monkeypatch):
    file = remote("http://127.0.0.1:9/a.bin")
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(BODY)
    assert cached(file)

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(module, "sha256", never)
    assert cached(file)
    os.utime(file.path, ns=(1, 1))
    with pytest.raises(AssertionError):
        cached(file)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_is_one_line(web, room):
    (room / "set").mkdir(parents=True)
    (room / "set" / "a.bin.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"no space left in .*set for 0\.10 MB; free some, or name .* KONVOLUT_CACHE"):
        got(web.serve("/a.bin", BODY))


def test_too_little_space_is_said_before_anything_is_asked_for(web, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match=r"has 0\.00 MB free, and 0\.10 MB are to come"):
        got(web.serve("/a.bin", BODY))
    assert not web.asked


def test_a_cache_that_is_a_file_is_one_line(web, room):
    room.write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        got(web.serve("/a.bin", BODY))


def test_the_cache_is_where_it_is_asked_for(monkeypatch, room):
    from platformdirs import user_cache_dir

    assert cache() == room
    monkeypatch.delenv("KONVOLUT_CACHE")
    assert cache() == Path(user_cache_dir("konvolut"))


PROCESS = """
import sys
from konvolut import fetch
fetch.PAUSE = 0.01
url, digest, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
print(fetch.fetch([fetch.Remote("set/a.bin", (url,), digest, size)], "set")[0])
"""


def other(url: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROCESS, url, HASH, str(len(BODY))]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_ask_once(web, room):
    waiting, go = Event(), Event()

    def hold(at: int) -> None:
        if at >= 40_000:
            waiting.set()
            assert go.wait(60)

    url = web.serve("/a.bin", BODY, hold=hold)
    first = other(url)
    assert waiting.wait(60)
    second = other(url)
    said = [second.stderr.readline() for _ in range(2)]
    go.set()
    outs = [process.communicate(timeout=60) for process in (first, second)]
    assert [out for out, _ in outs] == [f"{room / 'set' / 'a.bin'}\n"] * 2
    assert said[1] == "a.bin: another process is at it; waiting\n"
    assert len(web.asked) == 1
    assert (room / "set" / "a.bin").read_bytes() == BODY


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a signal of Unix")
def test_what_a_killed_process_had_is_not_asked_for_again(web, room):
    waiting, go = Event(), Event()

    def hold(at: int) -> None:
        if at >= 60_000:
            waiting.set()
            go.wait(60)

    url = web.serve("/a.bin", BODY, hold=hold)
    process = other(url)
    assert waiting.wait(60)
    part = room / "set" / "a.bin.part"
    for _ in range(3_000):
        if part.exists() and part.stat().st_size >= CHUNKS:
            break
        sleep(0.01)
    process.kill()
    process.communicate()
    kept = part.stat().st_size
    assert kept >= CHUNKS
    go.set()
    web.files["/a.bin"].hold = None
    assert got(url) == BODY
    assert web.asked[1:] == [("/a.bin", f"bytes={kept}-", '"one"')]


def started(room: Path, held: bytes, name: str = "a.bin", url: str = "", mark: str = "") -> None:
    """What a download that was cut leaves."""
    (room / "set").mkdir(parents=True, exist_ok=True)
    (room / "set" / f"{name}.part").write_bytes(held)
    if mark:
        module._write(room / "set" / f"{name}.part.json", {"url": url, "mark": mark})


# Archives


def tarred(path: Path, *members: tuple[str, bytes, bytes] | tuple[str, bytes, bytes, str]) -> Path:
    """A .tar.gz of (name, type, contents[, target]); /HERE is the folder it lies in."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, body, *target in members:
            info = tarfile.TarInfo(name.replace("/HERE", str(path.parent)))
            info.type, info.size = kind, len(body) if kind == tarfile.REGTYPE else 0
            info.linkname = target[0] if target else ""
            info.mode = 0o7777
            tar.addfile(info, io.BytesIO(body))
    return path


def zipped(path: Path, *members: tuple[str, int, bytes]) -> Path:
    """A .zip of (name, type as in a mode of Unix, contents)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, kind, body in members:
            info = zipfile.ZipInfo(name.replace("/HERE", str(path.parent)))
            info.create_system, info.external_attr = 3, (kind | 0o777) << 16
            file.writestr(info, body)
    return path


def held(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_was_packed_is_unpacked(tmp_path):
    files = {"deep/a.bin": BODY, "b.txt": b"", "deep/下/c.txt": b"c"}
    tar = tarred(
        tmp_path / "a.tar.gz",
        ("deep", tarfile.DIRTYPE, b""),
        *((name, tarfile.REGTYPE, body) for name, body in files.items()),
    )
    packed = zipped(tmp_path / "a.zip", ("deep/", stat.S_IFDIR, b""), *((n, stat.S_IFREG, b) for n, b in files.items()))
    for number, archive in enumerate((tar, packed)):
        folder = unpack(archive, tmp_path / f"out-{number}")
        assert held(folder) == files
        assert all(not p.stat().st_mode & 0o7111 for p in folder.rglob("*") if p.is_file())  # modes are not taken
        (folder / "b.txt").write_text("changed")
        assert held(unpack(archive, folder))["b.txt"] == b"changed"  # and nothing is unpacked twice


REG, LNK, CHR, FIFO = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../evil", REG, b"x")], "leaves the folder"),
        ([("a/../../evil", REG, b"x")], "leaves the folder"),
        ([("/HERE/evil", REG, b"x")], "leaves the folder"),
        ([("C:\\evil", REG, b"x")], "leaves the folder"),
        ([("..\\evil", REG, b"x")], "leaves the folder"),
        ([("a", LNK, b"", "/etc/passwd")], "is a link"),
        ([("a", LNK, b"", ".."), ("a/evil", REG, b"x")], "is a link"),
        ([("b", REG, b"b"), ("a", tarfile.LNKTYPE, b"", "b")], "is a link"),
        ([("a", CHR, b"")], "is a device or a pipe"),
        ([("a", FIFO, b"")], "is a device or a pipe"),
        ([("a", REG, b"x"), ("a", REG, b"y")], "there twice"),
        ([("a", REG, b"x"), ("a/b", REG, b"y")], "cannot be unpacked"),
        ([("a", REG, b"\0" * 600_000), ("b", REG, b"\0" * 600_000)], "more than 1,000,000 bytes once unpacked"),
    ],
)
def test_a_malicious_tar_leaves_nothing(tmp_path, members, reason):
    archive = tarred(tmp_path / "bad.tar.gz", ("fine", REG, b"fine"), *members)
    refused(archive, tmp_path, reason)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../evil", stat.S_IFREG, b"x")], "leaves the folder"),
        ([("/HERE/evil", stat.S_IFREG, b"x")], "leaves the folder"),
        ([("a/..\\..\\evil", stat.S_IFREG, b"x")], "leaves the folder"),
        ([("a", stat.S_IFLNK, b"/etc/passwd")], "is a link"),
        ([("a", stat.S_IFIFO, b"")], "is a device or a pipe"),
        ([("a", stat.S_IFREG, b"\0" * 1_000_001)], "more than 1,000,000 bytes once unpacked"),
    ],
)
def test_a_malicious_zip_leaves_nothing(tmp_path, members, reason):
    refused(zipped(tmp_path / "bad.zip", ("fine", stat.S_IFREG, b"fine"), *members), tmp_path, reason)


@pytest.mark.parametrize(
    ("says", "reason"), [(50, "cannot be unpacked"), (6_000, "another length than the archive says")]
)
def test_a_zip_that_lies_about_a_length_is_refused(tmp_path, says, reason):
    archive = zipped(tmp_path / "bad.zip", ("a", stat.S_IFREG, b"\0" * 5_000))
    data = bytearray(archive.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = says.to_bytes(4, "little")  # the uncompressed size, in the central directory
    archive.write_bytes(data)
    refused(archive, tmp_path, reason)


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_cut_or_empty_archive_leaves_nothing(tmp_path, cut):
    archive = tarred(tmp_path / "a.tar.gz", ("a", REG, BODY))
    archive.write_bytes(archive.read_bytes()[:cut])
    refused(archive, tmp_path, "cannot be unpacked")


def test_more_members_than_anyone_needs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    archive = tarred(tmp_path / "a.tar.gz", *((f"{i}", REG, b"") for i in range(4)))
    refused(archive, tmp_path, "more than 3 members")


def test_a_full_disk_while_unpacking_is_one_line(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_unpacked", full)
    refused(tarred(tmp_path / "a.tar.gz", ("a", REG, b"a")), tmp_path, "no space left in")


def refused(archive: Path, folder: Path, reason: str) -> None:
    """Nothing new is left anywhere in the folder; `out` lies two deeper, so that what climbs out of it is seen."""
    before = set(folder.rglob("*"))
    with pytest.raises(DataError, match=reason) as error:
        unpack(archive, folder / "in" / "it" / "out", most=1_000_000)
    assert str(archive) in str(error.value)
    assert {path.name for path in set(folder.rglob("*")) - before} <= {"in", "it", "out.lock"}


def test_the_server_does_cut_and_lie(web: Site):
    """The guard's guard: another client sees what the tests say that it serves."""
    from http.client import IncompleteRead
    from urllib.request import urlopen

    with urlopen(web.serve("/a", BODY, cut=100)) as answer, pytest.raises(IncompleteRead):
        answer.read()
    with urlopen(web.serve("/b", BODY, length=50)) as answer:
        assert len(answer.read()) == 50
