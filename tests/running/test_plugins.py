"""Methods, metrics, networks and collections from outside the tree: found, hashed, written down."""

import dataclasses
import hashlib
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest
import scored
import yaml
from shards import CONFIG, make_shard, network_of, truth_of

from faithcam.core import plugins
from faithcam.core.errors import FaithcamError
from faithcam.core.runtime import job
from faithcam.data import definitions
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.models import registry as networks
from faithcam.report.run_facts import facts
from faithcam.running import concordance, plan, provenance

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
METHOD = """
from faithcam.maps.method import Method


def function(hirescam):
    from {package}helper import factor

    return factor() * hirescam


METHODS = {{"{name}": Method(function, "nowhere")}}
"""
SPEC = """
from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric("Cells", True, "nowhere", (0, 1), of_all_maps("{name}", view="signed"))
"""
SCORE = """
from faithcam.metrics.complexity.cells import scores_of


def score(inputs, evaluations):
    return scores_of(inputs, evaluations, lambda maps: (maps > 0).flatten(1).double().mean(1))
"""
NETWORK = """
from faithcam.models.architecture import Architecture

ARCHITECTURES = {{"{name}": Architecture(64, 8, True, 2_412, 72_304, -3.5)}}


def features(architecture):
    from faithcam.models.families import small

    return small.vgg_small()
"""
COLLECTION = """
from faithcam.data.collection import Collection, File, of_labels

COLLECTION = Collection("Mine", (File("a.zip"),), 1, of_labels(a=20, b=30), lambda *_: [])
"""
HELPER = "def factor():\n    return {factor}\n"
REGISTRIES = (cams.METHODS, measures.METRICS, networks.ARCHITECTURES, definitions.COLLECTIONS)


def put(folder, **texts):
    """Write modules, ``a__b`` as a/b.py, and return the folder."""
    for name, text in texts.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    importlib.invalidate_caches()
    return folder


def lab(folder):
    """Write a package of one's own with a declaration of each kind."""
    name, package = folder.name, f"{folder.name}."
    return put(
        folder,
        mapping=METHOD.format(name=f"map_{name}", package=package),
        helper=HELPER.format(factor=2),
        **{f"metrics__{name}_metric_spec": SPEC.format(name=f"{name}_metric")},
        **{f"metrics__{name}_metric": "import torch  # needed\n" + SCORE},
        nets=NETWORK.format(name=f"net_{name}"),
        **{f"images_{name}": COLLECTION},
        _draft="raise ValueError('not to be read')\n",
    )


def read_again():
    plugins._entry_points.cache_clear()
    provenance._found.cache_clear()
    provenance._read.cache_clear()
    plugins._STATE.plugins = None
    for registry in REGISTRIES:
        len(registry)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder; the plugins of a test are gone with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before, names = set(sys.modules), [list(registry) for registry in REGISTRIES]
    yield tmp_path
    monkeypatch.undo()
    for name in set(sys.modules) - before:
        if not name.startswith("faithcam"):
            del sys.modules[name]
    plugins._STATE.paths = []
    read_again()
    assert [list(registry) for registry in REGISTRIES] == names


def install(folder, **entries):
    """Write what an installer leaves of a package beside its modules: its entry points."""
    info = folder / "mylab-1.2.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.2\n")
    groups = "\n".join(f"[faithcam.{group}]\nx = {value}\n" for group, value in entries.items())
    (info / "entry_points.txt").write_text(groups)


def four(name):
    return [f"map_{name}", f"{name}_metric", f"net_{name}", f"images_{name}"]


def there(names):
    return [name in registry for name, registry in zip(names, REGISTRIES, strict=True)]


def test_a_folder_declares_all_kinds_and_leaves_what_is_private(place):
    lab(place / "lab_a")
    plugins.use({"plugins": ["lab_a"]})
    names = four("lab_a")
    assert there(names) == [True] * 4
    assert measures.code_file(names[1]) == place / "lab_a/metrics/lab_a_metric.py"
    assert "lab_a.metrics.lab_a_metric" not in sys.modules  # it would import torch
    assert importlib.import_module(measures.module(names[1])).score
    assert networks.build(names[2], "gap", 2, 64).head == "gap"
    definition = {"source": names[3], "size": 64}
    assert definitions.fact_files(definition) == [place / f"lab_a/{names[3]}.py"]
    plugins.use({})
    assert there(names) == [False] * 4


def test_one_file_declares_several_kinds(place):
    put(place, both_spec=SPEC.format(name="both") + NETWORK.format(name="net_both"), both=SCORE)
    plugins.use({"plugins": ["both_spec.py"]})
    assert "net_both" in networks.ARCHITECTURES
    assert importlib.import_module(measures.module("both")).score


def test_installed_packages_are_found_by_their_entry_points(place):
    lab(place / "site-packages" / "lab_b")
    modules = ("mapping", "metrics.lab_b_metric_spec", "nets", "images_lab_b")
    groups = [group.split(".")[1] for group in plugins.GROUPS.values()]
    entries = {g: f"lab_b.{name}" for g, name in zip(groups, modules, strict=True)}
    install(place / "site-packages", **entries)
    sys.path.append(str(place / "site-packages"))
    read_again()
    assert there(four("lab_b")) == [True] * 4
    about = provenance.own_plugins()["lab_b.mapping"]
    assert about["distribution"] == "mylab 1.2"
    assert about["from"] == "entry point x of faithcam.methods (mylab 1.2)"
    # its own modules are code, though it is installed like a library
    assert set(about["sha256"]) == {"lab_b/mapping.py", "lab_b/helper.py"}
    # whoever names its path, too, has one plugin
    plugins.use({"plugins": ["site-packages/lab_b"]})
    assert provenance.own_plugins()["lab_b.mapping"] == about


def test_the_library_finds_installed_packages_without_torch(place):
    lab(place / "lab_c")
    install(place, methods="lab_c.mapping", metrics="lab_c.metrics.lab_c_metric_spec")
    text = (
        "import sys, faithcam; print('map_lab_c' in faithcam.METHODS, "
        "'lab_c_metric' in faithcam.METRICS, 'torch' in sys.modules); "
        "import torch; net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), "
        "torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)); "
        "maps = faithcam.explain(net, torch.rand(2, 3, 8, 8), methods=['map_lab_c', 'hirescam']); "
        "print(torch.equal(maps['map_lab_c'], 2 * maps['hirescam']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{SCRIPTS}:{place}"},
    )
    assert done.stdout == "True True False\nTrue\n", done.stderr


CALLS = "from faithcam.maps.method import Method\n"


@pytest.mark.parametrize(
    ("path", "texts", "words"),
    [
        ("nowhere.py", {}, "nowhere.py: not found, expected a .py file or a folder of them; paths"),
        ("notes.txt", {"notes": ""}, "notes.txt: not found"),
        ("my-file.py", {"my-file": ""}, "'my-file' found, expected a name that Python can import"),
        ("random.py", {"random": ""}, "random is taken by "),
        ("faithcam", {"faithcam__a": ""}, "faithcam is taken by "),
        ("err_a.py", {"err_a": "import nothing_such"}, "err_a: cannot be imported (ModuleNotFoun"),
        ("err_b.py", {"err_b": "raise SystemExit(2)"}, "err_b: cannot be imported (SystemExit: 2)"),
        ("err_c.py", {"err_c": "X = 1"}, "declares nothing, expected one of METHODS, METRIC, ARCH"),
        ("err_d", {"err_d__a": "X = 1"}, "err_d: declares nothing"),
        ("err_e.py", {"err_e": "METHODS = {'err_e': 3}"}, "METHODS is int for err_e, expected Met"),
        (
            "err_f.py",
            {"err_f": METHOD.format(name="gradcam", package="")},
            "/err_f.py: METHODS names gradcam, as ",
        ),
        ("err_g.py", {"err_g": SPEC.format(name="err_g")}, "expected it in a file NAME_spec.py, b"),
        ("phantom.py", {"phantom": COLLECTION}, "phantom is already a source of images"),
        (
            "err_h.py",
            {"err_h": METHOD.format(name="err_h", package="").replace("(hires", "(lores")},
            "err_h needs lorescam, which is neither",
        ),
        (
            "err_i.py",
            {"err_i": CALLS + "METHODS = {'err_i': Method(len, 'me', passes=3)}"},
            "Method: passes is 3, expected a function; mend it or take it out of plugins",
        ),
        (
            "err_j.py",
            {"err_j": CALLS + "METHODS = {1: Method(len, 'me', needs=('images',))}"},
            "1 found in METHODS, expected letters, digits and _",
        ),
        (
            "err_k.py",
            {
                "err_k": CALLS + "METHODS = {'k': Method(len, 'me', needs=('l',)), "
                "'l': Method(len, 'me', needs=('k',))}"
            },
            "k needs l needs k: a map cannot start from itself",
        ),
    ],
)
def test_what_cannot_be_used_is_named_before_any_job(place, capsys, path, texts, words):
    put(place, **texts)
    (place / "notes.txt").touch()
    (place / "mine.yaml").write_text(yaml.safe_dump({"plugins": [path]}))
    assert plan.main([str(ROOT / "config.yaml"), "mine.yaml"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert path in said
    assert "Traceback" not in said


@pytest.mark.parametrize("found", ["lab.py", {"a": 1}, [1]])
def test_plugins_are_a_list_of_paths(found):
    with pytest.raises(FaithcamError, match=r"plugins: .* found, expected a list of paths"):
        plugins.use({"plugins": found})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_such", r"entry point x of faithcam.methods \(mylab 1.2\): ep_.*: cannot"),
        ("X = 1", r"ep_.*\.py: METHODS is missing, .*: mend the package or uninstall it"),
        ("METHODS = []", r"METHODS is list for ep_.*, expected Method"),
        (METHOD.format(name="cam", package=""), r"ep_.*\.py: METHODS names cam, as "),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_named(place, request, text, words):
    name = f"ep_{abs(hash(text))}"
    put(place, **{name: text})
    install(place, methods=name)
    sys.path.append(str(place))
    with pytest.raises(FaithcamError, match=words):
        read_again()


def test_the_list_of_all_names_says_which_entry_point_is_wrong(place):
    install(place, metrics="nothing_such")
    done = subprocess.run(
        [sys.executable, "-m", "faithcam"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{SCRIPTS}:{place}"},
    )
    assert done.returncode == 1
    (error,) = done.stderr.splitlines()
    assert error.startswith("error: entry point x of faithcam.metrics (mylab 1.2): nothing_such: ")


def test_a_job_reads_the_plugins_of_its_config(place, capsys):
    lab(place / "lab_d")
    job_of = types.SimpleNamespace(log=["job.log"], params={}, config={"plugins": ["lab_d"]})
    with job(job_of):
        assert there(four("lab_d")) == [True] * 4
    job_of.config = {"plugins": ["away"]}
    with pytest.raises(SystemExit), job(job_of):
        pass
    assert "error: plugins: away: not found" in capsys.readouterr().err


def test_a_registry_that_a_plugin_s_imports_make_has_the_plugins_too(place):
    """In a job nothing is imported before, and a metric's spec imports other registries."""
    lab(place / "lab_e")
    text = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); from faithcam.core import plugins; "
        "plugins.use({'plugins': ['lab_e']}); print([n for n in sys.modules if 'lab_e' in n]); "
        "from faithcam.metrics import registry; from faithcam.maps import registry as cams; "
        "from faithcam.models import registry as nets; print('lab_e_metric' in registry.METRICS, "
        "'map_lab_e' in cams.METHODS, 'net_lab_e' in nets.ARCHITECTURES, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\nTrue True True False\n", done.stderr


def test_an_edit_is_an_edit_of_the_jobs_that_use_it(place):
    folder = lab(place / "lab_f")
    plugins.use({"plugins": ["lab_f"]})
    files = {
        "map": cams.files(["map_lab_f"]),
        "other map": cams.files(["gradcam"]),
        "metric": [measures.code_file("lab_f_metric")],
        "network": networks.files("net_lab_f"),
        "images": definitions.fact_files({"source": "images_lab_f"}),
    }

    def versions():
        provenance._read.cache_clear()
        script = SCRIPTS / "explain.py"
        return {name: provenance.code_version(script, named) for name, named in files.items()}

    def edited(name, text):
        before, recorded = versions(), provenance.own_plugins()
        file = folder / name
        file.write_text(file.read_text() + text)
        after, now = versions(), provenance.own_plugins()
        modules = [module for module in now if now[module] != recorded[module]]
        return [each for each in before if before[each] != after[each]], modules

    assert edited("helper.py", "MORE = 1\n") == (["map"], ["lab_f.mapping"])
    metric = "metrics/lab_f_metric.py"
    assert edited(metric, "MORE = 1\n") == (["metric"], ["lab_f.metrics.lab_f_metric_spec"])
    assert edited("nets.py", "MORE = 1\n") == (["network"], ["lab_f.nets"])
    assert edited("images_lab_f.py", "MORE = 1\n") == (["images"], ["lab_f.images_lab_f"])
    assert edited("_draft.py", "MORE = 1\n") == ([], [])
    # a comment changes no result, but the record is of the file
    assert edited("nets.py", "# a comment\n") == ([], ["lab_f.nets"])


def test_a_package_s_own_init_counts_where_it_is_imported_relatively(place):
    folder = lab(place / "lab_g")
    put(folder, helper="def factor():\n    from . import VALUE\n")
    (folder / "__init__.py").write_text("VALUE = 1\n")
    plugins.use({"plugins": ["lab_g"]})
    provenance._read.cache_clear()
    assert folder / "__init__.py" in provenance.closure(cams.files(["map_lab_g"]))


def test_the_record_names_what_plugins_declare_and_their_code(place):
    folder = lab(place / "lab_h")
    plugins.use({"plugins": ["lab_h"]})
    own = provenance.own_plugins()
    assert own["lab_h.metrics.lab_h_metric_spec"] == {
        "from": "plugins: lab_h",
        "distribution": "",
        "declares": ["lab_h_metric"],
        "sha256": {
            f"lab_h/metrics/{name}.py": hashlib.sha256(
                (folder / "metrics" / f"{name}.py").read_bytes()
            ).hexdigest()
            for name in ("lab_h_metric", "lab_h_metric_spec")
        },
    }
    assert provenance.record({}, {}, [], own=own)["plugins"] == own
    (shown,) = facts({"plugins": {"lab_h.nets": own["lab_h.nets"]}})
    hashed = hashlib.sha256((folder / "nets.py").read_bytes()).hexdigest()
    words = f"lab_h.nets declares net_lab_h (plugins: lab_h; sha256: lab_h/nets.py {hashed})"
    assert shown == ("plugins", words)
    assert facts({"plugins": {}}) == [("plugins", "none")]
    plugins.use({})
    assert provenance.own_plugins() == {}


# --- a metric and its controls --------------------------------------------------------------------


def said(**more):
    config = experiment.merged(experiment.read([ROOT / "config.yaml"]), more)
    plugins.use(config)
    try:
        experiment.validate(config, SCHEMA)
    except FaithcamError as error:
        return str(error)
    return ""


def test_a_metric_that_is_judged_needs_a_good_and_a_bad_map(place):
    lab(place / "lab_i")
    whole = {"plugins": ["lab_i/"], "metrics": ["aopc", "truth_agreement", "blind", "lab_i_metric"]}
    judged = {**whole, "concordance": {"primary": ["aopc", "lab_i_metric"]}}
    assert said(**judged) == ""
    assert said(**{**whole, "methods": ["cam", "hirescam"]}) == ""
    assert said(**{**judged, "methods": ["cam", "hirescam"], "controls": ["random"]}) == ""
    answer = said(**{**judged, "methods": ["cam", "hirescam"]})
    assert "lab_i_metric is a plugin's metric and is judged beside a map that says" in answer
    assert "add random to methods or controls" in answer
    answer = said(**{**judged, "metrics": ["aopc", "blind", "lab_i_metric"]})
    assert "add it to metrics (data set phantom)" in answer
    spec = place / "lab_k_metric_spec.py"
    spec.write_text(
        SPEC.format(name="lab_k_metric").replace('signed"))', "signed\"), maps='made')")
    )
    judged = {"plugins": [spec.name], "metrics": ["truth_agreement", "blind", "lab_k_metric"]}
    judged["concordance"] = {"primary": ["lab_k_metric"]}
    (place / "lab_k_metric.py").write_text(SCORE)
    assert "add sham to methods or controls" in said(**judged, controls=[])
    assert said(**judged, controls=["sham"]) == ""


def test_a_metric_scores_the_truth_itself_and_random_maps(place):
    lab(place / "lab_j")
    plugins.use({"plugins": ["lab_j"]})
    shard = make_shard()
    network = network_of(shard, ["hirescam", "random"], [])
    whole = Plan(
        {
            **CONFIG,
            **scored.ALL,
            "metrics": ["truth_agreement", "lab_j_metric"],
            "dataset_definitions": {"made": {}},
        }
    )
    (evaluation,) = whole.evaluations("lab_j_metric", network)
    assert "random" in evaluation.methods
    settings = whole.candidate_settings(network)
    (asked,) = [each for each in settings["metrics"] if each["metric"] == "lab_j_metric"]
    own = {**settings, **asked, "images": settings["images"]}
    frame = concordance.scored_candidates(shard, truth_of(shard), own).to_pandas()
    kept = frame[frame["status"] == "ok"]
    values = kept.groupby("method")["value"]
    assert {"mean.truth", "mean.damaged_1_0"} <= set(values.groups)
    assert values.count().min() > 1


def test_folders_of_one_name_are_not_mixed(place):
    for folder in ("a", "b"):
        (place / folder / "lab3").mkdir(parents=True)
        (place / folder / "lab3" / "cam.py").write_text("METHODS = {}\n")
    sys.path.insert(0, str(place / "a"))
    with pytest.raises(FaithcamError, match=r"Python's name lab3 is taken by .*a/lab3; rename it"):
        plugins.use({"plugins": ["b/lab3"]})


def test_a_link_to_a_folder_above_it_is_not_followed(tmp_path):
    (tmp_path / "lab4").mkdir()
    (tmp_path / "lab4" / "cam.py").write_text("")
    (tmp_path / "lab4" / "self").symlink_to(".")
    assert list(plugins._modules(tmp_path / "lab4", "lab4")) == ["lab4.cam"]


@pytest.mark.parametrize("name", ["gradients", "checks"])
def test_a_method_cannot_have_the_name_of_what_it_is_made_of(name):
    declared = cams.METHODS.declared["gradcam"]
    with pytest.raises(FaithcamError, match=f"{name} is the name of something else that stands"):
        cams.check_needs({**cams.METHODS.declared, name: declared})


def test_a_metric_says_yes_or_no_and_known_roles():
    metric = measures.METRICS["sparseness"]
    with pytest.raises(FaithcamError, match="larger_is_better is 'no', expected True or False"):
        dataclasses.replace(metric, larger_is_better="no")
    network = scored.network_of()
    (evaluation,) = metric.evaluations(CONFIG, network)
    for field in ("role", "protocol"):
        wrong = dataclasses.replace(evaluation, **{field: "primry"})
        wrongly = dataclasses.replace(metric, evaluations=lambda *_, e=wrong: [e])
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(measures.METRICS, "sparseness", wrongly)
            with pytest.raises(FaithcamError, match=f"{field} 'primry' found, expected one of"):
                measures.evaluations(CONFIG, "sparseness", network)
