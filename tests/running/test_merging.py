"""Runs of several people become one; what is no part of one experiment is refused."""

import json
import shutil

import pyarrow as pa
import pytest
from mergeable import OWN, write_own_run, write_run, write_table
from put import put

from faithcam.core.errors import FaithcamError
from faithcam.data.tables import SUBGROUPS_OF_IMAGES
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.results.files import record_path
from faithcam.running import leaderboard, manifest
from faithcam.running.cli import main
from faithcam.running.merging import settings, source
from faithcam.running.merging.merge import merge

OTHER = {  # a second data set, of ben's
    "datasets": ["second"],
    "dataset_definitions": {
        "second": {"source": "phantom", "size": 64, "train": 90, "val": 60, "test": 60}
    },
}
XEON = {"processor": "Xeon", "commit": "f" * 40}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folders of two runs with other seeds, of one with another data set, and of all at once."""
    folder = tmp_path_factory.mktemp("merging")
    write_run(folder / "anna", [0, 1])
    elsewhere = {"device": "cuda", "resources": "elsewhere", "images_per_job": {"default": 16}}
    write_run(folder / "ben", [2], record=XEON, **elsewhere)
    write_run(folder / "carl", [0], **OTHER)
    write_run(folder / "all", [0, 1, 2])
    return folder


@pytest.fixture(scope="module")
def merged(place):
    """The folder that anna's and ben's runs make."""
    return merge([("anna", place / "anna"), ("ben", place / "ben")], place / "merged").path


@pytest.fixture
def pair(place, tmp_path):
    """Copies of anna's and ben's runs, to be damaged."""
    for name in ("anna", "ben"):
        shutil.copytree(place / name, tmp_path / name)
    return tmp_path / "anna", tmp_path / "ben"


def contents(folder):
    """Return the bytes of every file of a folder by name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def refused(folders, message, tmp_path):
    """Check that a merge is refused, and leaves nothing."""
    with pytest.raises(FaithcamError, match=message) as caught:
        merge([(folder.name, folder) for folder in folders], tmp_path / "made" / "merged")
    made = tmp_path / "made"
    assert not made.exists() or not [*made.iterdir()]
    return str(caught.value)


def test_the_tables_of_two_runs_are_those_of_one(place, merged):
    for name in ("scores", "models", "checks", "curves", "evaluations", "completeness", "truth"):
        one, two = (folder / f"{name}.parquet" for folder in (place / "all", merged))
        assert one.read_bytes() == two.read_bytes(), name
    assert "6 of 6 planned networks are there" in (merged / "answer.txt").read_text()


def test_the_order_of_the_folders_changes_no_byte(place, merged, tmp_path, capsys):
    shutil.copytree(place / "ben", tmp_path / "results")
    into = tmp_path / "other" / "name"
    folders = [f"ben={tmp_path / 'results'}", str(place / "anna")]  # one is called like its folder
    assert main(["merge", *folders, "--into", str(into)]) == 0
    assert contents(into) == contents(merged)
    said = capsys.readouterr().out
    assert "6 of 6 planned networks are there" in said
    assert f"\nReport: {into / 'report.html'}\n" in said


def test_a_merged_folder_is_whole_and_can_be_verified(merged, capsys):
    assert not manifest.verify(str(merged)).problems
    assert main(["verify", str(merged)]) == 0
    assert ", 0 are not" not in capsys.readouterr().err


def test_a_merged_folder_names_what_it_was_made_of(place, merged):
    record = json.loads((merged / "provenance.json").read_text())
    by_name = {each["name"]: each for each in record["sources"]}
    assert {*by_name} == {"anna", "ben"}
    listed = by_name["ben"]["files"]
    assert listed["scores.parquet"] == manifest_of(place / "ben" / "scores.parquet")
    of_ben = [f"phantom/vgg_small-{head}/seed2" for head in ("flatten", "gap")]
    assert by_name["ben"]["networks"] == of_ben
    assert record["config"]["seeds"] == [0, 1, 2]
    report = (merged / "report.html").read_text()
    assert "Merged from" in report
    assert by_name["anna"]["sha256"][:12] in report
    assert "That one kind of processor made these numbers: EPYC and Xeon did." in report
    assert "That one state of the code made these numbers" in report
    assert "secret-host" not in report


def manifest_of(path):
    return json.loads(record_path(path).read_text())["sha256"]


def test_merging_bit_by_bit_is_merging_at_once(place, merged, tmp_path):
    named = {name: place / name for name in ("anna", "ben", "carl")}
    once = merge(list(named.items()), tmp_path / "once")
    bits = merge([("merged", merged), ("carl", named["carl"])], tmp_path / "bits")
    first, second = contents(once.path), contents(bits.path)
    assert [name for name in first if first[name] != second.get(name)] == []
    assert once.config["datasets"] == ["phantom", "second"]
    assert "second" in (once.path / "answer.txt").read_text()
    assert len(bits.planned) == 8  # not the product: one seed of the second data set


def test_a_network_that_both_have_with_the_same_numbers_counts_once(place, merged, tmp_path):
    write_run(tmp_path / "dora", [1, 2])
    made = merge([("anna", place / "anna"), ("dora", tmp_path / "dora")], tmp_path / "merged")
    assert (made.path / "scores.parquet").read_bytes() == (merged / "scores.parquet").read_bytes()


def test_a_network_that_both_have_with_other_numbers_is_refused(place, tmp_path):
    write_run(tmp_path / "dora", [1, 2], numbers=5)
    text = refused([place / "anna", tmp_path / "dora"], "with other rows of scores", tmp_path)
    assert text.startswith("phantom/vgg_small-flatten/seed1: in ")
    assert "dora" in text
    assert "anna" in text


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"seed": 3}, ["seed: "]),
        ({"aopc": {"strict": {"draws": 4}}}, ["aopc.strict.draws: "]),
        ({"batch_size": 8}, ["batch_size: "]),
        ({"methods": ["gradcam", "hirescam"]}, ["methods: ", '["cam", "gradcam", "hirescam"]']),
        ({"explained_images": 9}, ["dataset_definitions.phantom.explained_images: "]),
        ({"dataset_definitions": {"phantom": {"size": 32}}}, ["definitions.phantom.size: "]),
        ({"heads": ["flatten"]}, ["phantom.heads: ", '["flatten", "gap"] in', '["flatten"] in']),
        ({"concordance": {"confirm": ["phantom"]}}, ["concordance.confirm: "]),
        ({"haas": {"strict": {"constant": 0.25}}, "threads": 2}, ["haas.strict", "threads: "]),
    ],
)  # fmt: skip
def test_other_settings_are_refused_and_named_with_both_values(place, tmp_path, changes, lines):
    write_run(tmp_path / "dora", [4], **changes)
    folders = [place / "anna", tmp_path / "dora"]
    text = refused(folders, "config: .* in .*anna, .* in .*dora|in .*dora, .* in .*anna", tmp_path)
    assert all(line in text for line in lines)


def test_another_data_set_may_have_metrics_and_images_of_its_own(place, tmp_path):
    write_run(tmp_path / "dora", [4], **OTHER, explained_images=9)
    read = [source.read(name, folder) for name, folder in
            (("anna", place / "anna"), ("dora", tmp_path / "dora"))]  # fmt: skip
    settings.check(read)
    config = settings.merged(read)
    assert config["explained_images"] == 9
    assert config["dataset_definitions"]["phantom"]["explained_images"] == 8
    assert config["dataset_definitions"]["second"].get("explained_images", 9) == 9


def test_parts_that_only_two_of_three_have_are_compared_too(place, tmp_path):
    write_run(tmp_path / "dora", [4], **OTHER, explained_images=9)
    folders = [place / "anna", place / "carl", tmp_path / "dora"]
    refused(folders, r"config: dataset_definitions\.second\.explained_images: ", tmp_path)


def test_other_images_under_one_name_are_refused(place, pair, tmp_path):
    path = pair[1] / "provenance.json"
    record = json.loads(path.read_text())
    record["data"]["phantom"]["splits"]["test"]["images"] = 299
    put(path, json.dumps(record))
    text = refused(pair, "data: phantom.splits.test.images: ", tmp_path)
    assert "299" in text


@pytest.mark.parametrize("head", ["other", "gap"])
def test_networks_of_somebody_s_own_merge_where_their_module_is_not(tmp_path, head):
    write_own_run(tmp_path / "olga", [0], head=head, heads=["flatten"])
    write_run(tmp_path / "paul", [0], heads=["flatten"])
    made = merge([(n, tmp_path / n) for n in ("olga", "paul")], tmp_path / "merged")
    name = f"phantom/theirmodels_build-{head}/seed0"
    assert list(map(str, made.planned)) == [name, "phantom/vgg_small-flatten/seed0"]
    answer = (made.path / "answer.txt").read_text()
    assert "2 of 2 planned networks are there" in answer
    file = "networks/theirmodels_build.yaml"
    assert (made.path / file).read_bytes() == (tmp_path / "olga" / file).read_bytes()
    assert source.read("merged", made.path).own_facts[file]["name"] == OWN  # it can be merged again


def test_a_data_set_with_networks_of_somebody_s_own_alone_merges(place, tmp_path):
    write_own_run(tmp_path / "olga", [0, 1], **OTHER)
    made = merge([("anna", place / "anna"), ("olga", tmp_path / "olga")], tmp_path / "merged")
    others = [str(network) for network in made.planned if network.dataset == "second"]
    assert others == [f"second/theirmodels_build-other/seed{seed}" for seed in (0, 1)]
    assert (made.path / "figures" / "examples-second.png").exists()
    # its module is not needed for leaderboards either
    assert main(["leaderboard", str(made.path), "--to", str(tmp_path / "b.html")]) == 0
    assert "second" in (tmp_path / "b.html").read_text()


def test_networks_stand_in_one_order_whatever_their_heads(place, tmp_path):
    write_own_run(tmp_path / "olga", [2, 1])
    made = merge([("olga", tmp_path / "olga"), ("anna", place / "anna")], tmp_path / "merged")
    models = ("theirmodels_build-other", "vgg_small-flatten", "vgg_small-gap")
    seeds = ((1, 2), (0, 1), (0, 1))
    assert list(map(str, made.planned)) == [
        f"phantom/{model}/seed{seed}"
        for model, of in zip(models, seeds, strict=True)
        for seed in of
    ]


def test_networks_of_one_name_with_other_facts_are_refused(tmp_path):
    write_own_run(tmp_path / "olga", [0])
    write_own_run(tmp_path / "otto", [1], head="gap")
    folders = [tmp_path / "olga", tmp_path / "otto"]
    text = refused(folders, r"networks/theirmodels_build\.yaml\.spec\.head: ", tmp_path)
    assert '"other"' in text
    assert '"gap"' in text


def test_leaderboards_are_refused_to_a_record_that_is_no_run_s(pair, tmp_path, capsys):
    without("networks")(pair[0] / "provenance.json")
    assert main(["leaderboard", str(pair[0]), "--to", str(tmp_path / "b.html")]) == 1
    said = capsys.readouterr().err
    assert "provenance.json: no config and networks found, expected what a run writes" in said
    assert not (tmp_path / "b.html").exists()


GROUPED = {
    "datasets": ["mine"],
    "dataset_definitions": {
        "mine": {"source": "folder", "path": "mine.csv", "size": 64, "subgroups": ["sex"]}
    },
}


def write_groups(folder, men="M"):
    rows = [{"image_id": i, "column": "sex", "group": ("F", men)[i % 2]} for i in range(40)]
    table = pa.Table.from_pylist(rows, SUBGROUPS_OF_IMAGES)
    tables.write(folder / "data" / "mine" / "subgroups.parquet", table, SUBGROUPS_OF_IMAGES)


def test_groups_of_images_are_merged_too(tmp_path):
    for name, seeds in (("anna", [0]), ("ben", [1])):
        write_run(tmp_path / name, seeds, **GROUPED)
        write_groups(tmp_path / name)
    made = merge([(name, tmp_path / name) for name in ("anna", "ben")], tmp_path / "merged")
    found = made.read("subgroups").to_pylist()
    assert {row["group"] for row in found if row["column"] == "sex"} == {"F", "M"}
    assert "data/mine/subgroups.parquet" in contents(made.path)
    write_groups(tmp_path / "ben", men="male")
    refused([tmp_path / "anna", tmp_path / "ben"], "data/mine/subgroups.parquet.sha256: ", tmp_path)


def test_maps_from_elsewhere_may_lie_elsewhere(tmp_path):
    methods = ["gradcam", "hirescam", "mine"]
    for name, seeds in (("anna", [0]), ("ben", [1])):
        given = {"mine": f"/home/{name}/maps"}
        write_run(tmp_path / name, seeds, methods=methods, maps_from=given)
    made = merge([(name, tmp_path / name) for name in ("ben", "anna")], tmp_path / "merged")
    assert made.config["maps_from"] == {"mine": "/home/anna/maps"}
    scored = made.read("scores").to_pandas()
    assert set(scored.loc[scored["method"] == "mine", "seed"]) == {0, 1}
    write_run(tmp_path / "carl", [2], methods=methods[:2])
    refused([tmp_path / "anna", tmp_path / "carl"], "config: methods: ", tmp_path)


def edited(path):
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def without(key):
    """Leave an entry out of a record that is written anew."""

    def damage(path):
        record = json.loads(path.read_text())
        put(path, json.dumps({name: part for name, part in record.items() if name != key}))

    return damage


def of_unknown_networks(path):
    record = json.loads(path.read_text())
    record["config"]["architectures"] = ["my_net"]
    put(path, json.dumps(record))


def of_other_images(path):
    """Write the table of other images, with its record."""
    table = tables.read(path)
    tables.write(path, table.slice(1), table.schema)


def doubled(path):
    table = tables.read(path)
    tables.write(path, pa.concat_tables([table, table.slice(0, 1)]), table.schema)


def forged(path):
    """Change a file and its record, but not the manifest."""
    table = tables.read(path)
    write_table(path, table.slice(1), SCORES, SCORES_KEY)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("scores.parquet", edited, r"ben/scores\.parquet: changed or damaged"),
        ("models.parquet", lambda p: p.unlink(), r"ben/models\.parquet: cannot be read"),
        (".truth.parquet.record", lambda p: p.unlink(), "copies of results need their hidden"),
        ("data/phantom/table.parquet", edited, r"table\.parquet: changed or damaged"),
        ("provenance.json", lambda p: p.unlink(), "expected the results folder of a finished run"),
        ("provenance.json", lambda p: put(p, "[]"), r"provenance\.json: no config found"),
        ("provenance.json", lambda p: put(p, '{"config": {"seed": 1}}'), "config: .*: missing"),
        ("provenance.json", without("data"), "provenance.json: cannot be used .KeyError: 'data'"),
        (
            "provenance.json",
            of_unknown_networks,
            "vgg_small-flatten/seed2 is none of",
        ),
        ("version.txt", lambda p: p.write_text("0.0.1\n"), r"made by faithcam 0\.0\.1, but this"),
        ("data/phantom/table.parquet", of_other_images, r"table\.parquet: changed or damaged"),
        ("checks.parquet", doubled, r"checks of .*: two rows for .*, expected each row once"),
        ("scores.parquet", forged, r"ben/scores\.parquet: sha256 .* expected by manifest"),
    ],
)
@pytest.mark.counts("faults")
def test_damage_to_a_run_is_named(pair, tmp_path, name, damage, message):
    names, _ = manifest.listing(pair[1])
    (pair[1] / "manifest.sha256").write_text(manifest.text(pair[1], names))
    damage(pair[1] / name)
    if damage is not forged:
        (pair[1] / "manifest.sha256").unlink()
    refused(pair, message, tmp_path)


def test_tables_of_other_runs_are_refused(place, pair, tmp_path):
    for name in ("scores.parquet", ".scores.parquet.record"):
        shutil.copy(place / "anna" / name, pair[1] / name)
    text = "ben: scores has rows of phantom/vgg_small-flatten/seed0, which the config"
    refused(pair, text, tmp_path)


def test_columns_of_other_versions_are_refused(pair, tmp_path):
    path = pair[1] / "models.parquet"
    table = tables.read(path).drop_columns(["auc"])
    tables.write(path, table, table.schema)
    refused(pair, r"models\.parquet: columns dataset, .* found, expected", tmp_path)


def test_a_target_that_is_there_is_left_alone(place, merged, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    folders = [str(place / "anna"), str(place / "ben")]
    assert main(["merge", *folders, "--into", str(tmp_path / "mine")]) == 1
    assert "error: " + str(tmp_path / "mine") + ": is there already" in capsys.readouterr().err
    assert not [*(tmp_path / "mine").iterdir()]
    assert main(["merge", folders[0], "--into", str(tmp_path / "one")]) == 1
    assert "1 results folder found, expected two or more" in capsys.readouterr().err


def test_runs_with_other_code_of_a_plugin_are_no_parts_of_one(pair, tmp_path):
    for folder, digest in zip(pair, "ab", strict=True):
        record = json.loads((folder / "provenance.json").read_text())
        about = {"from": "plugins: lab", "distribution": "", "declares": ["mycam"]}
        record["plugins"] = {"lab.mycam": about | {"sha256": {"lab/mycam.py": digest * 64}}}
        put(folder / "provenance.json", json.dumps(record))
    refused(pair, r"plugin lab\.mycam\.lab/mycam\.py: \"[ab]{64}\" in ", tmp_path)
    shutil.copy(pair[0] / "provenance.json", tmp_path / "kept")
    record["plugins"]["lab.mycam"]["sha256"] = {"lab/mycam.py": "a" * 64}
    put(pair[1] / "provenance.json", json.dumps(record))
    made = merge([(folder.name, folder) for folder in pair], tmp_path / "merged").path
    assert json.loads((made / "provenance.json").read_text())["plugins"] == record["plugins"]


def test_nothing_is_merged_into_a_part_or_with_itself(pair, tmp_path):
    named = [(folder.name, folder) for folder in pair]
    with pytest.raises(FaithcamError, match=r"lies in .*anna, which is merged"):
        merge(named, pair[0] / "data" / "all")
    with pytest.raises(FaithcamError, match="one and the same run"):
        merge([named[0], named[0]], tmp_path / "made")


def test_a_leaderboard_replaces_no_table(place):
    with pytest.raises(FaithcamError, match="expected the name of an HTML page"):
        leaderboard.write(place / "anna", place / "anna" / "scores.parquet")
