"""Files of collections: what the user brings, checksums, and contents that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from archives import (
    COUNTS,
    breakhis_files,
    breakhis_members,
    covid_files,
    crc_files,
    few,
    ham_files,
    ham_lines,
    tarred,
    zipped,
)

from faithcam.core.errors import FaithcamError
from faithcam.data import definitions, items, prepare
from faithcam.data.collections import breakhis, covid, crc, ham10000
from faithcam.results.checksums import checksum


def test_what_is_to_be_brought_where_is_said(make):
    served = make("covid")
    path = served.downloads / covid.ARCHIVE
    for step in (served.fetch, served.prepare):
        with pytest.raises(FaithcamError) as error:
            step()
        message = str(error.value)
        assert message.startswith(f"{path}: no such file; log in to Kaggle, download https://www.")
        assert message.endswith(f"under the name {covid.ARCHIVE}")


def test_another_file_of_the_users_is_seen_and_unpacked_anew(make):
    served = make("covid")
    definition, resources = {"source": "covid", "size": 8}, str(served.downloads.parent)
    missing = prepare.fingerprint(definition, resources)
    served.bring()
    served.fetch()
    one = prepare.fingerprint(definition, resources)
    first = served.prepare().images[:]
    served.set(
        {covid.ARCHIVE: covid_files(12)[covid.ARCHIVE]},
        counts=few({"": dict.fromkeys(covid.IMAGES, 12)}),
    )
    served.bring()
    assert len({missing, one, prepare.fingerprint(definition, resources)}) == 3
    assert len(served.prepare().images) == 48 > len(first)


def test_a_wrong_checksum_is_refused_and_nothing_stays(make):
    served = make("crc")
    served.content[f"/{crc.TEST}"] = b"other"
    with pytest.raises(FaithcamError, match=rf"{crc.TEST}.*md5 .* expected.* 3 attempts failed"):
        served.fetch()
    assert [file.name for file in served.downloads.iterdir()] == [crc.TRAIN]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_wrong_download_is_set_aside_its_record_goes_and_it_comes_again(make, damage):
    served = make("crc")
    served.fetch()
    path = served.downloads / crc.TEST
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"other")
    with pytest.raises(FaithcamError, match=f"{path}: .* found, md5 .* expected; .*run again"):
        served.prepare()
    assert not path.exists()
    assert not served.record.exists()
    served.fetch()
    assert len(served.asked) == 3
    assert len(served.prepare().images) == 126


def test_without_a_published_checksum_the_first_one_counts(make, capsys):
    served = make("breakhis")
    path, note = (
        served.downloads / breakhis.ARCHIVE,
        served.downloads / f"{breakhis.ARCHIVE}.sha256",
    )
    served.fetch()
    first = checksum(path, "sha256")
    assert note.read_text() == f"{first}  {breakhis.ARCHIVE}\n"
    assert f"no checksum is published; sha256 {first}, written to {note}" in capsys.readouterr().out
    # another file on the server, ours lost
    path.unlink()
    served.content[f"/{breakhis.ARCHIVE}"] = b"other"
    with pytest.raises(
        FaithcamError, match=f"sha256 .* found, {first} .* no checksum: {note} holds"
    ):
        served.fetch()
    assert [file.name for file in served.downloads.iterdir()] == [note.name]
    note.unlink()
    served.fetch()
    assert path.read_bytes() == b"other"
    # a changed file here
    path.write_bytes(b"changed")
    with pytest.raises(FaithcamError, match=r"found, sha256 .* expected; it is now"):
        served.prepare()


def test_a_missing_class_folder_is_named(make):
    served = make("covid")
    served.set(covid_files(labels=tuple(covid.IMAGES)[:3]), counts=COUNTS["covid"])
    served.bring()
    served.fetch()
    with pytest.raises(FaithcamError, match="Viral Pneumonia: 0 found, 10 expected; put the pub"):
        served.prepare()


def test_missing_tiles_and_another_class_are_named(make):
    served = make("crc")
    members = {f"x/{label}/{label}-{i}.tif": b"" for label in crc.IMAGES[""] for i in range(10)}
    del members["x/ADI/ADI-0.tif"]
    served.set(crc_files() | {crc.TRAIN: zipped(members | {"x/NEW/NEW-1.tif": b""})})
    served.fetch()
    with pytest.raises(FaithcamError, match="ADI: 9 found, 10 expected; NEW: 1 found, 0 expected"):
        served.prepare()


def test_an_archive_of_another_release_is_refused():
    actual = definitions.COLLECTIONS["breakhis"]
    broken = replace(actual, items=lambda places, definition: [])
    with pytest.raises(FaithcamError, match="benign: 0 found, 2480 expected; malignant: 0 found"):
        items.of_collection(broken, {"a": Path("x")}, {})


def test_a_table_that_names_other_images_or_columns_is_refused(make):
    served = make("ham10000")
    files = ham_files()
    lines = [*ham_lines(), {"lesion_id": "HAM_x", "image_id": "ISIC_x", "dx": "nv"}]
    served.set(files | {ham10000.TABLE: ham_files(lines)[ham10000.TABLE]})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"no image of ISIC_x, which HAM10000_metadata\.csv"):
        served.prepare()
    served.set(files | {ham10000.TABLE: ham_files(columns=("image_id", "dx"))[ham10000.TABLE]})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"columns \['lesion_id'\] are missing, found \['image"):
        served.prepare()


def test_a_name_that_is_not_understood_is_refused(make):
    served = make("breakhis")
    served.set(breakhis_files(breakhis_members() | {"a/SOB_B_A-14-1.png": b""}))
    served.fetch()
    with pytest.raises(FaithcamError, match=r"SOB_B_A-14-1\.png: name not understood, expected e"):
        served.prepare()


def test_a_tile_in_training_and_test_is_refused(make):
    served = make("crc")
    same = {f"x/{label}/{label}-{i:04d}.tif": b"" for label in crc.IMAGES[""] for i in range(4)}
    served.set(crc_files() | {crc.TEST: zipped(same)})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"more than one split: ADI-0000\.tif in test and tra"):
        served.prepare()


def test_patients_in_two_splits_are_refused():
    def item(name, group, split):
        return items.Item(Path(name), name, "a", group, split)

    leak = [item("1", "p", "train"), item("2", "p", "test"), item("3", "q", "val")]
    with pytest.raises(
        FaithcamError, match=r"somewhere: groups .* split: p in test and train; ima"
    ):
        items.divided("somewhere", leak, (0.2, 0.2), (1, "d"))
    mixed = [*(item(f"{i}", f"{i}", "") for i in range(9)), item("t", "4", "test")]
    with pytest.raises(FaithcamError, match="4 in t"):
        items.divided("somewhere", mixed, (0.2, 0.2), (1, "d"))


def test_a_hostile_archive_writes_nothing(make, tmp_path):
    served = make("breakhis")
    served.set({breakhis.ARCHIVE: tarred({"../../evil.png": b"evil"})})
    served.fetch()
    with pytest.raises(FaithcamError, match=r"member '\.\./\.\./evil\.png' leads out of"):
        served.prepare()
    assert not list(tmp_path.rglob("evil*"))
