"""Networks of the user's own: found, measured, filled with weights and split; docs/networks.md."""

import importlib
import re
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.data import prepare
from faithcam.data.dataset import open_dataset
from faithcam.experiment import axes, datasets
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.maps import laws
from faithcam.maps.explain import maps_of
from faithcam.models import facts, obtain, own, own_nets, registry, weights, weights_header
from faithcam.models.architecture import Architecture
from faithcam.models.camnet import CamNet
from faithcam.models.splitnet import HookedNet
from faithcam.results import io as tables
from faithcam.results.checks import demand
from faithcam.running import explaining, measuring, shard

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
CODE, MINE = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.S)[1] for kind in ("python", "yaml"))
NAME, MODEL = "mymodels:build", "phantom/mymodels_build-other/seed0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the page's module, which Python finds, where a run would be started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "code")
    (tmp_path / "code").mkdir()
    write(tmp_path, CODE)
    known = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - known:
        if not name.startswith(("faithcam", "torch")):
            del sys.modules[name]


def write(folder, text, name="mymodels"):
    sys.modules.pop(name, None)
    file = folder / "code" / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    for cached in (measuring.provenance._read, measuring.provenance._found):
        cached.cache_clear()
    importlib.invalidate_caches()
    # an edit within a second, and as long as before, would be hidden by what Python has compiled
    for compiled in folder.rglob("*.pyc"):
        compiled.unlink()


def files(folder, **over):
    mine = folder / "mine.yaml"
    mine.write_text(yaml.safe_dump(experiment.merged(yaml.safe_load(MINE), over)))
    return [ROOT / "config.yaml", ROOT / "config" / "tiny.yaml", mine]


def measured(folder, name=NAME, **over):
    return measuring.main([name, *map(str, files(folder, **over))])


def config(folder, **over):
    return experiment.read(files(folder, **over))


def problems(folder, **over):
    with pytest.raises(FaithcamError) as error:
        experiment.validate(config(folder, **over), SCHEMA)
    return str(error.value)


def built():
    torch.manual_seed(0)
    return importlib.import_module("mymodels").build(classes=3, size=32)


def saved(folder, network=None):
    state = (network or built()).state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, folder / "weights.pth")


# --- the page's example -------------------------------------------------------------
def test_the_page_s_network_is_measured_and_its_config_accepted(folder, capsys):
    assert measured(folder) == 0
    file = folder / "resources" / "networks" / "mymodels_build.yaml"
    said = capsys.readouterr().out
    assert f"{own.facts_file(NAME, 'resources')}: written, head other (that a map adds up" in said
    # 3 x 16 x 9 weights at a quarter of the pixels, 16 x 32 x 9 at a sixteenth, 32 x 32 x 9
    spec = Architecture(32, 8, True, 108 + 288 + 144, 448 + 4640 + 9248, -3.5, head="other")
    assert facts.read(file).spec == spec
    before = file.read_bytes()
    assert measured(folder) == 0
    assert file.read_bytes() == before
    saved(folder)
    actual = config(folder)
    experiment.validate(actual, SCHEMA)
    measuring.check(actual)
    assert axes.planned(actual) == [("phantom", "mymodels_build", "other", 0)]
    network = Plan(actual).network("phantom", "mymodels_build-other")
    assert (network.cells, network.depth, network.twin) == (4, 32, False)
    assert Plan(actual).own(network) == NAME


def test_it_stands_beside_networks_with_other_heads(folder):
    measured(folder)
    saved(folder)
    actual = config(folder, architectures=["vgg_small", NAME], heads=["gap", "flatten"])
    experiment.validate(actual, SCHEMA)
    names = {f"{architecture}-{head}" for _, architecture, head, _ in axes.planned(actual)}
    assert names == {"vgg_small-gap", "vgg_small-flatten", "mymodels_build-other"}
    assert datasets.plan(actual)["heads"]["phantom"] == ["gap", "flatten", "other"]


def test_one_with_a_gap_head_is_no_twin(folder):
    write(folder, module_of("nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)"))
    measured(folder)
    over = {"architectures": ["vgg_small", NAME], "heads": ["flatten", "gap"], "seeds": [0, 1]}
    actual = config(folder, **over, gap_twins="first")
    twins = {}
    for _, architecture, head, seed in axes.planned(actual):
        twins.setdefault(f"{architecture}-{head}", []).append(seed)
    assert twins == {
        "vgg_small-flatten": [0, 1], "vgg_small-gap": [0], "mymodels_build-gap": [0, 1]
    }  # fmt: skip
    plan = Plan(actual)
    assert {n.architecture: n.twin for n in plan.networks if n.head == "gap"} == {
        "vgg_small": True, "mymodels_build": False
    }  # fmt: skip


def test_what_needs_a_linear_head_is_left_out(folder):
    measured(folder)
    over = {"truth": {"estimands": ["background", "features", "features_zero"]}}
    over |= {"controls": ["expected_hirescam", "sham"], "metrics": ["mprt", "feature_aopc", "haas"]}
    plan = Plan(config(folder, **over, methods=["cam", "gradcam", "hirescam", "ablationcam"]))
    (network,) = plan.networks
    assert network.methods == ("gradcam", "hirescam")
    assert network.controls == ("sham",)
    assert plan.metrics(network) == ["haas"]
    plan = Plan(config(folder, **over | {"metrics": ["truth_agreement"]}))
    assert plan.estimands(network) == ["background"]


def test_a_look_at_own_networks_imports_neither_them_nor_torch(folder):
    measured(folder)
    code = (
        "import sys; from pathlib import Path; from faithcam.experiment import config, evaluations;"
        f"read = config.read({[str(file) for file in files(folder)]});"
        "list(evaluations.Plan(read).networks);"
        "sys.exit('torch' in sys.modules or 'mymodels' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_its_files_are_the_module_what_it_imports_and_the_facts(folder):
    write(folder, "WIDTH = 8\n", "widths")
    write(folder, f"import widths\n{CODE}")
    measured(folder)
    listed = registry.files("mymodels_build", "resources")
    assert [file.name for file in listed] == ["mymodels.py", "mymodels_build.yaml", "own_nets.py"]
    assert folder / "code" / "widths.py" in measuring.provenance.closure(listed)


@pytest.mark.parametrize(
    ("module", "text", "changes"),
    [
        ("mymodels", CODE.replace("nn.ReLU()", "nn.GELU()"), True),
        ("widths", "WIDTH = 9\n", True),
        ("mymodels", CODE + "\n# a comment\n", False),
    ],
)
def test_an_edited_network_is_measured_again(folder, module, text, changes):
    write(folder, "WIDTH = 8\n", "widths")
    write(folder, f"import widths\n{CODE}")
    measured(folder)
    measuring.check(config(folder))
    write(folder, f"import widths\n{text}" if module == "mymodels" else text, module)
    if not changes:
        measuring.check(config(folder))
        return
    words = "mymodels:build has changed since it was measured .*mymodels_build.yaml.; run `make mea"
    with pytest.raises(FaithcamError, match=words):
        measuring.check(config(folder))
    measured(folder)
    measuring.check(config(folder))


# --- jobs ---------------------------------------------------------------------------
@pytest.fixture
def adopted(folder, capsys):
    """The files of a network with weights of its own, and the network."""
    definition = {"source": "phantom", "size": 32, "train": 6, "val": 6, "test": 6}
    prepare.prepare("phantom", definition, 1, [], folder / "data")
    network = built()
    saved(folder, network)
    identity = Identity("phantom", "mymodels_build", "other", 0)
    settings = {"device": "cpu", "threads": 1, "network": NAME, "control": "none"}
    obtain.obtain(
        identity,
        folder / "data" / "manifest.json",
        settings,
        folder / "model",
        trained="weights.pth",
    )
    said = capsys.readouterr().out
    assert "weights.pth: the names of all layers begin with module., which is taken off" in said
    assert f"weights.pth: fits {NAME}, head other, used as it is" in said
    return folder / "model", network.eval(), identity, open_dataset(folder / "data")


def test_its_files_hold_its_own_weights_and_what_it_says(adopted):
    model, network, _, dataset = adopted
    file = model / "weights.safetensors"
    assert weights_header.network(file)["network"] == NAME
    again, parts = own_nets.load(file, NAME, "other", 3, 32)
    assert {*again.state_dict()} == {*network.state_dict()}
    assert parts.head == "other"
    table = tables.read(model / "predictions.parquet").to_pydict()
    images = torch.from_numpy(np.asarray(dataset.images[table["image_id"]]))
    images = images.float().movedim(-1, 1).expand(-1, 3, -1, -1) / 127.5 - 1
    with torch.no_grad():
        expected = network(images).softmax(1)
    torch.testing.assert_close(torch.tensor(table["probabilities"]), expected)


def test_jobs_explain_its_logits_by_autograd(adopted):
    model, network, identity, dataset = adopted
    file = model / "weights.safetensors"
    parts = shard._network(file, identity, dataset, torch.float32)
    images = own_nets.random_images((32, 32), 3)
    A = network[:6](images).detach().requires_grad_()
    network[6:](A)[:, 1].sum().backward()
    classes = torch.tensor([1, 1])
    with torch.inference_mode():
        torch.testing.assert_close(parts(images), network(images))
        actual = maps_of(parts, parts.activations(images), classes, ["hirescam"])["hirescam"]
        none = explaining._bias(parts, parts.activations(images))
    torch.testing.assert_close(actual, (A.grad * A).sum(1).detach())
    torch.testing.assert_close(none, network[6:](torch.zeros_like(A)))
    assert laws.check_images(parts, images, classes) == []


def test_another_network_than_the_measured_one_stops_the_job(adopted, folder):
    write(folder, CODE.replace(" nn.Linear(channels * cells, 32), nn.ReLU(),", "").replace(
        "nn.Linear(32, classes)", "nn.Linear(channels * cells, classes)"))  # fmt: skip
    saved(folder)
    with pytest.raises(FaithcamError, match="head flatten found, but other was measured; run `mak"):
        own_nets.load(Path("weights.pth"), NAME, "other", 3, 32)


def test_tied_weights_are_kept_with_all_their_names(adopted, folder):
    write(folder, CODE.replace(
        "    return nn.Sequential(",
        "    tied = nn.Conv2d(32, 32, 3, padding=1)\n"
        "    layers += [tied, nn.ReLU(), tied, nn.ReLU()]\n"
        "    return nn.Sequential(",
    ))  # fmt: skip
    network = built()
    saved(folder, network)
    filled, _ = own_nets.load(Path("weights.pth"), NAME, "other", 3, 32)
    weights.save(filled, folder / "tied.safetensors", {"network": NAME})
    again, parts = own_nets.load(folder / "tied.safetensors", NAME, "other", 3, 32)
    assert again[6].weight is again[8].weight
    assert all(torch.equal(a, b) for a, b in zip(
        again.state_dict().values(), network.state_dict().values(), strict=True
    ))  # fmt: skip
    images = own_nets.random_images((32, 32), 3)
    with torch.inference_mode():
        torch.testing.assert_close(parts(images), network.eval()(images))


def test_weights_that_do_not_fit_are_listed(adopted, folder):
    torch.save({"0.weight": torch.ones(1)}, folder / "weights.pth")
    with pytest.raises(FaithcamError) as error:
        own_nets.load(Path("weights.pth"), NAME, "other", 3, 32)
    said = str(error.value)
    assert said.startswith("weights.pth: these weights do not fit mymodels:build for 3 classes and")
    assert "0.bias is missing" in said
    assert "0.weight is float32 [1], expected float32 [16, 3, 3, 3]" in said
    assert "delete" not in said


def test_half_precision_is_refused_where_logits_are_not_linear(folder):
    network = own_nets.OwnNetwork(NAME, 3, 32)
    with pytest.raises(FaithcamError, match=r"bfloat16 found, but .* head other computes in float"):
        own_nets.prepared(network.parts(network.build()), 32, torch.bfloat16)
    measured(folder)
    saved(folder)
    assert "precision: bfloat16 found, but networks with head other (['mymodels_build']) need" in (
        problems(folder, precision="bfloat16")
    )


# --- networks -----------------------------------------------------------------------
def module_of(body, first="nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)"):
    start = "from torch import nn\ndef build(classes, size):\n"
    return f"{start}    return nn.Sequential({first}, {body})"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("gap", "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)"),
        ("flatten", "nn.ReLU(), nn.Flatten(), nn.Linear(512, classes, bias=False)"),
        ("other", "nn.Flatten(), nn.Linear(512, 4), nn.ReLU(), nn.Linear(4, classes)"),
    ],
)
def test_the_head_is_the_network_s_own(folder, head, body):
    write(folder, module_of(body))
    assert measured(folder) == 0
    assert own.measured(NAME, "resources").spec.head == head
    network = own_nets.OwnNetwork(NAME, 3, 32)
    parts = network.parts(network.build())
    assert isinstance(parts, CamNet) == (head != "other")
    if head != "other":  # the laws hold, without a bias, too
        for check in laws.check_images(parts, network.images(), torch.tensor([0, 2])):
            demand(check, "mine", [0, 1])


def test_logits_of_zero_break_no_law_where_the_parts_agree(folder):
    write(folder, CODE + UNTRACED)
    network = own_nets.OwnNetwork("mymodels:untraced", 3, 32)
    silent = network.build()
    for layer in (silent.layers[-1].weight, silent.layers[-1].bias):
        torch.nn.init.zeros_(layer)
    parts = own_nets.prepared(network.parts(silent), 32, torch.float32)
    (check,) = laws.check_images(parts, network.images(), torch.tensor([0, 1]))
    assert check.errors.tolist() == [0, 0]
    demand(check, "mine", [0, 1])


def test_of_one_that_cannot_be_traced_each_image_is_compared(folder):
    write(folder, CODE + UNTRACED)
    network = own_nets.OwnNetwork("mymodels:untraced", 3, 32)
    parts = own_nets.prepared(network.parts(network.build()), 32, torch.float32)
    assert isinstance(parts, HookedNet)
    images = network.images()
    (check,) = laws.check_images(parts, images, torch.tensor([0, 1]))
    assert check.name == "the two parts are the network"
    demand(check, "mine", [0, 1])
    parts.whole.network.shift = 1.0
    (check,) = laws.check_images(parts, images, torch.tensor([0, 1]))
    assert bool((check.errors <= 1).all())  # both are shifted
    parts.tail.forward = lambda A: torch.zeros(2, 3)
    (check,) = laws.check_images(parts, images, torch.tensor([0, 1]))
    with pytest.raises(FaithcamError, match="the law 'the two parts are the network' is broken"):
        demand(check, "mine", [0, 1])


UNTRACED = """

class Untraced(nn.Module):
    shift = 0.0

    def __init__(self, classes, size):
        super().__init__()
        self.layers = build(classes, size)

    def forward(self, images):
        if float(images.sum()) == 0.5:
            raise ValueError
        return self.layers(images) + self.shift


def untraced(classes, size):
    return Untraced(classes, size)
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def other(): pass\n", "no function build found, expected def build.classes, size.: a"),
        ("build = 3\n", r"mymodels\.py: no function build found"),
        ("import nothing_there\n", r"mymodels\.py: cannot be imported \(ModuleNotFoundError: N"),
        ("def build(n): pass\n", r"build\(classes=3, size=32\) fails \(TypeError: .*it must"),
        ("def build(classes, size): return 3\n", "build returned int, expected a torch.nn.Module"),
        (module_of("nn.Flatten(), nn.Linear(512, 7)"), r"\(2, 7\) returned for 2 images, expected "
         r"logits \(2, 3\), one per class, without softmax"),
        (module_of("nn.Flatten(), nn.Linear(512, classes)", "nn.Conv2d(1, 8, 4, 4)"),
         r"build for 3 classes and 32 px: does not take images \(2, 3, 32, 32\) .*expected a netw"),
        (module_of("nn.Linear(3072, classes)", "nn.Flatten()"), "3 classes and 32 px: network: "),
        (module_of("nn.AdaptiveAvgPool2d(8), nn.Conv2d(8, 8, 3, 1, 1), nn.Flatten(), "
         "nn.Linear(512, classes)"), "cells found across 512 px and 8 across 1024, expected"),
    ],
)  # fmt: skip
def test_what_is_no_network_to_be_explained_is_named_and_leaves_nothing(
    folder, capsys, text, words
):
    write(folder, text)
    assert measured(folder) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert re.search(words, said), said
    assert not list(folder.rglob("*.yaml.*"))
    assert not own.facts_file(NAME, "resources").exists()


def test_measuring_needs_a_config_that_names_the_network(folder, capsys):
    assert measured(folder, architectures=["vgg_small"]) == 1
    assert "architectures: mymodels:build is not among them; add it" in capsys.readouterr().err
    assert measured(folder, datasets=["nothing"]) == 1
    assert "config: datasets: 'nothing' is not defined" in capsys.readouterr().err


# --- configs ------------------------------------------------------------------------
def test_an_unmeasured_network_names_the_command(folder):
    said = problems(folder)
    assert "mymodels:build has not been measured yet; run `make measure NAME=mymodels:build CO" in (
        said
    )


def test_weights_are_asked_for_by_name_for_every_seed(folder):
    measured(folder)
    saved(folder)
    said = problems(folder, seeds=[0, 1])
    assert (
        "trained_weights: none found for phantom/mymodels_build-other/seed1, a network of your own,"
        " which is not trained here; write\n    trained_weights:\n      "
        "phantom/mymodels_build-other/seed1: /FOLDER/weights.pth"
    ) in said
    assert "seed0" not in said
    both = {MODEL: "weights.pth", MODEL.replace("seed0", "seed1"): "again.pth"}
    shutil.copyfile("weights.pth", "again.pth")
    said = problems(folder, seeds=[0, 1], trained_weights=both)
    assert f"again.pth found for {MODEL[:-1]}1, the same weights as {MODEL} has, expected" in said
    said = problems(folder, trained_weights={MODEL.replace("other", "flatten"): "weights.pth"})
    assert f"is no model of this experiment; did you mean {MODEL}?" in said
    Path("weights.pth").write_bytes(b"PK\x03\x04")
    assert "weights.pth: no whole PyTorch checkpoint (" in problems(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:build", "Python finds no file of a module nowhere; put the folder that holds it"),
        ("math:build", "Python finds no file of a module math; put"),
        ("my models:build", "found, expected MODULE:FUNCTION, as mymodels:build"),
        ("mymodels:", "found, expected MODULE:FUNCTION"),
        ("mymodels:build(2)", "found, expected MODULE:FUNCTION"),
        ("resnet:small", "would be resnet_small in paths, as a network of faithcam is; rename"),
        ("explain:build", "explain.py, a file of faithcam's own; rename your module"),
    ],
)
def test_names_that_cannot_be_are_named(folder, name, words):
    write(folder, CODE, "resnet")
    assert words in problems(folder, architectures=[name], trained_weights={MODEL: "w"})


def test_modules_are_found_in_packages_without_running_them(folder):
    for place in ("package", "package/inner"):
        (folder / "code" / place).mkdir()
        (folder / "code" / place / "__init__.py").write_text("raise RuntimeError\n")
    (folder / "code" / "package" / "inner" / "models.py").write_text(CODE)
    importlib.invalidate_caches()
    found = own.files("package.inner.models:build")
    assert [str(file.relative_to(folder / "code")) for file in found] == [
        "package/__init__.py",
        "package/inner/__init__.py",
        "package/inner/models.py",
    ]


@pytest.fixture
def installed(folder, monkeypatch):
    """A package of one's own as pip leaves it, with a network, and another beside it."""
    place = folder / "lib" / "site-packages"
    contents = {
        "mylab/__init__.py": "",
        "mylab/nets.py": "import library\nfrom mylab import widths\nfrom .deep import layers\n"
        + CODE,
        "mylab/widths.py": "WIDTH = 8\n",
        "mylab/deep/__init__.py": "",
        "mylab/deep/layers.py": "import mylab.most\n",
        "mylab/most.py": "MOST = 3\n",
        "library/__init__.py": "VERSION = 1\n",
    }
    for name, content in contents.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    monkeypatch.syspath_prepend(place)
    importlib.invalidate_caches()
    return place


@pytest.mark.parametrize("edited", ["nets", "widths", "deep/layers", "most"])
def test_an_installed_network_is_measured_again_when_its_package_changes(folder, installed, edited):
    name = "mylab.nets:build"
    over = {"architectures": [name]}
    assert measured(folder, name, **over) == 0
    files = registry.files("mylab_nets_build", "resources")
    code = measuring.provenance.closure(files)
    below = {file.relative_to(installed).as_posix() for file in code if installed in file.parents}
    layers = {"deep/__init__.py", "deep/layers.py", "most.py"}
    assert below == {
        f"mylab/{file}" for file in ("__init__.py", "nets.py", "widths.py", *layers)
    }  # a library is named by its version
    measuring.check(config(folder, **over))
    with (installed / "mylab" / f"{edited}.py").open("a") as file:
        file.write("MORE = 1\n")
    measuring.provenance._read.cache_clear()
    with pytest.raises(FaithcamError, match=r"mylab\.nets:build has changed since it was measured"):
        measuring.check(config(folder, **over))


def test_a_module_beside_an_installed_faithcam_is_the_users_own(folder, installed, monkeypatch):
    monkeypatch.setattr(own, "PACKAGE", installed / "faithcam")
    assert own.files("mylab.nets:build")[-1] == installed / "mylab" / "nets.py"
    monkeypatch.setattr(own, "PACKAGE", installed / "mylab")
    with pytest.raises(FaithcamError, match=r"nets\.py, a file of faithcam's own; rename"):
        own.files("mylab.nets:build")


def test_facts_are_looked_for_in_the_config_s_folder_alone(folder):
    measured(folder)
    (folder / "resources" / "networks").rename(folder / "networks")
    for name in (NAME, "mymodels_build"):
        with pytest.raises(FaithcamError):
            registry.find(name)


def test_two_networks_with_one_name_in_paths_are_told_apart(folder):
    measured(folder)
    write(folder, CODE, "my_models")
    name = "my_models:build"
    assert measured(folder, name, architectures=[name]) == 0
    with pytest.raises(FaithcamError, match=r"of another network \(my_models:build\) than my:mod"):
        own.measured("my:models_build", "resources")
    file = own.facts_file(NAME, "resources")
    file.write_text(file.read_text().replace("head: other", "head: linear"))
    with pytest.raises(
        FaithcamError, match="head: 'linear' found, expected one of flatten, gap, o"
    ):
        own.measured(NAME, "resources")


def test_it_is_neither_left_untrained_nor_takes_volumes(folder):
    measured(folder)
    saved(folder)
    control = {"dataset_definitions": {"phantom": {"control": "untrained"}}}
    said = problems(folder, **control)
    assert (
        "architectures: mymodels:build is a network of your own, whose weights are given, but data"
        in (said)
    )
    volumes = {"source": "ct_phantom", "size": 32, "slices": 8}
    volumes |= {"train": 16, "val": 16, "test": 16}
    said = problems(folder, datasets=["scans"], dataset_definitions={"scans": volumes})
    assert "architectures: mymodels:build takes images, but data set scans has volumes" in said


def test_a_module_that_was_made_and_not_found_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "made", types.ModuleType("made"))
    with pytest.raises(FaithcamError, match="Python finds no file of a module made"):
        own.files("made:build")


def test_networks_of_torchvision_can_be_taken_whole(folder):
    write(
        folder,
        "from faithcam.models import torchvision_nets\n"
        "def build(classes, size):\n"
        "    models = torchvision_nets.import_torchvision().models\n"
        "    return models.mobilenet_v3_small(num_classes=classes)\n",
    )
    assert measured(folder, dataset_definitions={"phantom": {"size": 128}}) == 0
    known = registry.ARCHITECTURES["mobilenet_v3_small"]
    assert own.measured(NAME, "resources").spec == replace(
        known, head="other", imagenet=None, windows=1.0
    )
