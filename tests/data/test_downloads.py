"""Downloads go on where they broke off; archives are unpacked whole, in their folder, or not."""

import hashlib
import io
import multiprocessing
import os
import shutil
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from served import server

from faithcam.core.errors import FaithcamError
from faithcam.data.fetch import downloads, unpacking
from faithcam.data.fetch.unpacking import unpack

CONTENT = np.random.default_rng(0).bytes(5000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def chunks(monkeypatch):
    monkeypatch.setattr(downloads, "CHUNK", 500)


def fetch(base, path, expected=MD5, **options):
    downloads.fetch(f"{base}/a", path, "md5", expected, pause=0, **options)
    return path.read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".lock", ".record"))


# --- going on ------------------------------------------------------------------------------------


def test_the_next_attempt_asks_for_the_rest_alone(tmp_path):
    with server({"/a": CONTENT}, broken=(2000, 1000)) as (base, asked):
        assert fetch(base, tmp_path / "a") == CONTENT
    assert asked == [("/a", 0), ("/a", 2000), ("/a", 3000)]
    assert names(tmp_path) == ["a"]


def test_the_next_run_goes_on_too(tmp_path):
    with server({"/a": CONTENT}, broken=(2000,)) as (base, asked):
        with pytest.raises(FaithcamError, match="1 attempts failed"):
            fetch(base, tmp_path / "a", attempts=1)
        assert names(tmp_path) == [".a.part"]
        assert fetch(base, tmp_path / "a") == CONTENT
    assert asked == [("/a", 0), ("/a", 2000)]


def test_a_server_without_ranges_starts_anew(tmp_path):
    with server({"/a": CONTENT}, ranges=False, broken=(2000,)) as (base, asked):
        assert fetch(base, tmp_path / "a") == CONTENT
    assert asked == [("/a", 0), ("/a", 2000)]


def test_a_part_that_is_already_whole_is_not_asked_for(tmp_path):
    (tmp_path / ".a.part").write_bytes(CONTENT)
    with server({}) as (base, asked):
        assert fetch(base, tmp_path / "a") == CONTENT
    assert asked == []
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("left", [b"x" * 10, b"x" * 5000, b"x" * 6000])
def test_a_part_of_another_file_is_thrown_away(tmp_path, left):
    (tmp_path / ".a.part").write_bytes(left)
    with server({"/a": CONTENT}) as (base, asked):
        assert fetch(base, tmp_path / "a") == CONTENT
    assert [start for _, start in asked] == [len(left), 0]


def test_without_a_known_checksum_what_comes_is_taken(tmp_path, capsys):
    with server({"/a": CONTENT}, broken=(2000,)) as (base, asked):
        assert fetch(base, tmp_path / "a", expected="") == CONTENT
        assert fetch(base, tmp_path / "a", expected="") == CONTENT
    assert len(asked) == 2
    assert "already there, its checksum is not known" in capsys.readouterr().out


def test_a_missing_file_leaves_nothing(tmp_path):
    with server({}) as (base, asked), pytest.raises(FaithcamError, match="404"):
        fetch(base, tmp_path / "a")
    assert len(asked) == 3
    assert names(tmp_path) == []


def test_two_processes_fetch_a_file_once(tmp_path):
    with server({"/a": CONTENT}) as (base, asked):
        start = multiprocessing.get_context("spawn")
        both = [
            start.Process(target=downloads.fetch, args=(f"{base}/a", tmp_path / "a", "md5", MD5))
            for _ in range(2)
        ]
        for process in both:
            process.start()
        for process in both:
            process.join()
        assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert asked == [("/a", 0)]


# --- archives ------------------------------------------------------------------------------------


def zipped(path, members, kind=0):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = kind << 16
            archive.writestr(member, content)
    return path


def tarred(path, members, kind=tarfile.REGTYPE, target="", mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


GOOD = [("top/a/one.png", b"1"), ("top/b/two (2).png", b"22"), ("./three", b"")]


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:xz"])
def test_an_archive_is_unpacked(tmp_path, mode):
    file = tmp_path / "a"
    zipped(file, GOOD) if mode == "zip" else tarred(file, GOOD, mode=mode)
    unpack(file, tmp_path / "out")
    actual = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*")}
    assert {name: p.read_bytes() for name, p in actual.items() if p.is_file()} == {
        "top/a/one.png": b"1", "top/b/two (2).png": b"22", "three": b"",
    }  # fmt: skip
    assert names(tmp_path) == ["a", "out", "out.files.json"]


def test_what_is_there_is_not_unpacked_again_and_what_a_killed_process_left_is(tmp_path):
    file = zipped(tmp_path / "a.zip", GOOD)
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "half").touch()
    unpack(file, tmp_path / "out")
    assert names(tmp_path / "out") == ["three", "top"]
    file.unlink()
    (tmp_path / "out" / "Thumbs.db").touch()  # of a viewer
    unpack(file, tmp_path / "out")
    assert names(tmp_path) == ["out", "out.files.json"]


@pytest.mark.counts("faults")
@pytest.mark.parametrize("change", ["flipped", "missing", "listing", "no listing"])
def test_a_file_that_changed_since_it_was_unpacked_is_named(tmp_path, change):
    file = zipped(tmp_path / "a.zip", GOOD)
    folder, listing = tmp_path / "out", tmp_path / "out.files.json"
    unpack(file, folder)
    victim = folder / "top" / "a" / "one.png" if change in ("flipped", "missing") else listing
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.unlink()
    if change in ("flipped", "listing"):
        victim.write_bytes(content)
    advice = f"or delete {folder} and run again"
    with pytest.raises(FaithcamError, match=f"^{victim}: .* {advice}"):
        unpack(file, folder)
    shutil.rmtree(folder)
    unpack(file, folder)
    unpack(file, folder)
    assert (folder / "top" / "a" / "one.png").read_bytes() == b"1"


EVIL = ["../evil", "a/../../evil", "/tmp/faithcam-evil", "C:\\evil", "a\\..\\evil", "C:evil"]


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_that_lead_elsewhere_are_refused(tmp_path, make, name):
    file = make(tmp_path / "a", [("good", b""), (name, b"evil")])
    (tmp_path / "in").mkdir()
    with pytest.raises(FaithcamError, match=r"a: member '.*evil' leads out of .* nothing was unp"):
        unpack(file, tmp_path / "in" / "out")
    assert names(tmp_path) == ["a", "in"]
    assert names(tmp_path / "in") == []
    assert not os.path.exists("/tmp/faithcam-evil")


@pytest.mark.counts("attacks")
@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "../../etc"
        archive.addfile(member)
        inside = tarfile.TarInfo("link/passwd")
        inside.size = 4
        archive.addfile(inside, io.BytesIO(b"evil"))
    with pytest.raises(FaithcamError, match="member 'link' is a link or a device"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert names(tmp_path) == ["a.tar.gz"]


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("kind", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    file = zipped(tmp_path / "a.zip", [("link", b"/etc/passwd")], kind)
    with pytest.raises(FaithcamError, match="member 'link' is a link or a device"):
        unpack(file, tmp_path / "out")
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.counts("attacks")
def test_an_encrypted_zip_is_refused(tmp_path):
    file = zipped(tmp_path / "a.zip", GOOD)
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(FaithcamError, match=r"'top/a/one\.png' is encrypted"):
        unpack(file, tmp_path / "out")


@pytest.mark.counts("attacks")
@pytest.mark.parametrize(
    "members", [[("a", bytes(9999))], [(f"{i}", bytes(999)) for i in range(10)]]
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_few_bytes_that_would_fill_the_disk_are_not_unpacked(tmp_path, monkeypatch, make, members):
    file = make(tmp_path / "a", members)
    growth = sum(len(content) for _, content in members) / file.stat().st_size
    monkeypatch.setattr(unpacking, "SPARE", 0)
    monkeypatch.setattr(unpacking, "GROWTH", growth - 0.1)
    with pytest.raises(FaithcamError, match=r"a: its files take more than .* nothing was unpacked"):
        unpack(file, tmp_path / "out")
    assert names(tmp_path) == ["a"]
    monkeypatch.setattr(unpacking, "GROWTH", growth + 0.1)
    unpack(file, tmp_path / "out")


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("make", [zipped, tarred])
def test_more_files_than_a_disk_has_room_for_are_not_unpacked(tmp_path, monkeypatch, make):
    file = make(tmp_path / "a", GOOD)
    monkeypatch.setattr(unpacking, "FILES", 3)
    unpack(file, tmp_path / "out")
    monkeypatch.setattr(unpacking, "FILES", 2)
    with pytest.raises(FaithcamError, match=r"a: it has more than 2 files; .* nothing was"):
        unpack(file, tmp_path / "other")
    assert names(tmp_path) == ["a", "out", "out.files.json"]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("where", ["middle", "checksum", "end", "method"])
def test_a_broken_archive_leaves_nothing(tmp_path, make, where):
    random = np.random.default_rng(0)
    file = make(tmp_path / "a", [(f"{i}", random.bytes(1000)) for i in range(20)])
    content = bytearray(file.read_bytes())
    if where == "end":
        del content[-4000:]
    elif where == "method":  # how the members (zip) or the whole (gz) are said to be compressed
        content[content.index(b"PK\x01\x02") + 10 if make is zipped else 2] = 77
    else:  # of a tar.gz the checksum stands eight bytes before the end
        at = -8 if where == "checksum" and make is tarred else len(content) // 2
        content[at] ^= 255
    file.write_bytes(content)
    with pytest.raises(FaithcamError, match=r"a: cannot be unpacked to .* expected a whole"):
        unpack(file, tmp_path / "out")
    assert names(tmp_path) == ["a"]
