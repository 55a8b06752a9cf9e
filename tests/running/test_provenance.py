"""The code hash sees what changes results and nothing else."""

import hashlib
import json
import shutil

import pytest
from put import put

from faithcam.results import files
from faithcam.results.files import _seal, record_path
from faithcam.running import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules: script -> metric -> shared; other is used by nobody."""
    folder = tmp_path / "faithcam"
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics" / "aopc.py").write_text("from faithcam import shared\nVALUE = 1\n")
    (folder / "shared.py").write_text('"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x\n')
    (folder / "other.py").write_text("VALUE = 1\n")
    script = tmp_path / "aopc.py"
    script.write_text("def run():\n    from faithcam.metrics import aopc\n    return aopc\n")
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return script, folder


def version(script):
    provenance._read.cache_clear()
    return provenance.code_version(script)


def test_comments_docstrings_and_unused_modules_do_not_count(package):
    script, folder = package
    before = version(script)
    shared = folder / "shared.py"
    shared.write_text(shared.read_text().replace("Doc.", "Other words.") + "# comment\n")
    (folder / "other.py").write_text("VALUE = 2\n")
    assert version(script) == before


@pytest.mark.parametrize("name", ["metrics/aopc.py", "shared.py"])
def test_code_in_the_import_closure_counts(package, name):
    script, folder = package
    before = version(script)
    (folder / name).write_text((folder / name).read_text() + "MORE = 1\n")
    assert version(script) != before


@pytest.mark.parametrize(
    "block",
    [
        "try:\n    {0}\nexcept ValueError:\n    pass\n",
        "try:\n    pass\nexcept ValueError:\n    {0}\nelse:\n    pass\n",
        "try:\n    pass\nexcept ValueError:\n    pass\nelse:\n    {0}\n",
        "try:\n    pass\nfinally:\n    {0}\n",
        "with open('a'):\n    if True:\n        pass\n    else:\n        {0}\n",
        "match 1:\n    case 1:\n        {0}\n",
        "class A:\n    async def f(self):\n        {0}\n",
    ],
)
def test_imports_in_any_block_count(package, block):
    script, folder = package
    script.write_text(block.format("from faithcam import other"))
    before = version(script)
    (folder / "other.py").write_text("VALUE = 2\n")
    assert version(script) != before


def test_the_script_itself_counts(package):
    script, _ = package
    before = version(script)
    script.write_text(script.read_text() + "run()\n")
    assert version(script) != before


def test_files_that_the_script_does_not_name_count_where_they_are_given(package):
    script, folder = package
    alone = version(script)

    def with_other():
        version(script)  # reads all files again
        return provenance.code_version(script, [folder / "other.py"])

    before = with_other()
    assert before != alone
    (folder / "other.py").write_text("from faithcam.third import f\nVALUE = 1\n")
    (folder / "third.py").write_text("def f():\n    return 1\n")
    changed = with_other()
    (folder / "third.py").write_text("def f():\n    return 2\n")
    assert len({before, changed, with_other()}) == 3
    assert version(script) == alone


def test_a_yaml_file_with_the_name_of_a_module_counts_with_it(package):
    script, folder = package
    versions = [version(script)]
    for content in ("a: 1\n", "a: 2\n"):
        (folder / "shared.yaml").write_text(content)
        versions.append(version(script))
    assert len(set(versions)) == 3
    (folder / "other.yaml").write_text("a: 1\n")
    assert version(script) == versions[-1]


def test_types_alone_do_not_count(package):
    script, _ = package
    script.write_text("if TYPE_CHECKING:\n    from faithcam import other\n")
    assert provenance.closure([script]) == {script}


@pytest.mark.parametrize("name", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_stands_beside_types_counts(package, name):
    script, folder = package
    script.write_text(f"if {name}:\n    A = 1\nelse:\n    from faithcam import other\n")
    assert folder / "other.py" in provenance.closure([script])


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("import mylab", ["mylab/__init__.py"]),
        ("import mylab.nets", ["mylab/__init__.py", "mylab/nets.py", "mylab/layers/conv.py"]),
        ("from mylab import nets, VALUE", ["mylab/__init__.py", "mylab/nets.py",
                                           "mylab/layers/conv.py"]),
        ("from mylab.nets import net", ["mylab/__init__.py", "mylab/nets.py",
                                        "mylab/layers/conv.py"]),
        ("from mylab.layers.conv import conv", ["mylab/__init__.py", "mylab/layers/conv.py"]),
        ("import single", ["single.py"]),
        ("from bare.part import f", ["bare/part.py"]),
        ("import json, numpy, yaml.nodes, nothing_like_it", []),
    ],
)  # fmt: skip
def test_the_user_s_own_packages_count_and_libraries_do_not(
    package, tmp_path, monkeypatch, text, files
):
    script, folder = package
    home = tmp_path / "home"
    contents = {
        "mylab/__init__.py": "VALUE = 1\n",
        "mylab/nets.py": "from .layers.conv import conv\n\n\ndef net():\n    return conv\n",
        "mylab/layers/conv.py": "def conv():\n    from .. import VALUE\n    return VALUE\n",
        "mylab/unused.py": "",
        "single.py": "import json\n",
        "bare/part.py": "def f():\n    return 1\n",
    }
    for name, content in contents.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    monkeypatch.syspath_prepend(home)
    provenance._found.cache_clear()
    plugin = folder / "metrics" / "mine.py"
    plugin.write_text(text + "\n")
    provenance._read.cache_clear()
    actual = provenance.closure([plugin]) - {plugin}
    assert actual == {home / name for name in files}
    before = provenance.code_version(script, [plugin])
    for name in files:
        text = (home / name).read_text()
        (home / name).write_text(text + "MORE = 1\n")
        provenance._read.cache_clear()
        assert provenance.code_version(script, [plugin]) != before
        (home / name).write_text(text)
    provenance._read.cache_clear()
    assert provenance.code_version(script, [plugin]) == before
    provenance._found.cache_clear()


def test_the_hash_does_not_depend_on_the_folder(package, tmp_path, monkeypatch):
    script, _ = package
    before = version(script)
    moved = shutil.copytree(script.parent, tmp_path / "a" / "b", ignore=shutil.ignore_patterns("a"))
    monkeypatch.setattr(provenance, "PACKAGE", moved / "faithcam")
    assert version(moved / script.name) == before


def test_texts_count_by_content_not_by_folder_or_time(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "haas.rst").write_text("Caption.")
        (tmp_path / folder / "aopc.rst").write_text("Other.")
    names = ("haas.rst", "aopc.rst")
    one = provenance.texts_version(tmp_path / "a" / name for name in names)
    assert provenance.texts_version(tmp_path / "b" / name for name in reversed(names)) == one
    (tmp_path / "a" / "haas.rst").write_text("Caption!")
    assert provenance.texts_version(tmp_path / "a" / name for name in names) != one


def test_record_is_json_with_config_versions_and_data(tmp_path):
    manifest = tmp_path / "manifest.json"
    put(manifest, '{"name": "phantom", "images": 3}')
    actual = provenance.record({"seed": 1}, provenance.manifests([str(manifest)]), [])
    assert actual["config"] == {"seed": 1}
    assert actual["data"] == {"phantom": {"name": "phantom", "images": 3}}
    assert actual["libraries"]["torch"]
    table = put(tmp_path / "table", "")
    record = {"sha256": hashlib.sha256(b"").hexdigest(), "versions": {"scipy": ["0.1"]}}
    record_path(table).write_text(json.dumps(record | {"seal": _seal(record)}))
    assert "0.1" not in actual["made_with"].get("scipy", [])
    assert "0.1" in provenance.record({}, {}, [], [table])["made_with"]["scipy"]
    provenance.write(tmp_path / "p.json", actual)
    assert json.loads((tmp_path / "p.json").read_text()) == actual


def test_texts_are_written_with_their_records(tmp_path):
    paths = [str(tmp_path / "networks" / name) for name in ("a.yaml", "b.yaml")]
    provenance.write_texts(paths, ["head: other\n", "head: gap\n"])
    read = [files.verified(path).read_text() for path in paths]
    assert read == ["head: other\n", "head: gap\n"]
