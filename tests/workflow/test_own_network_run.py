"""A network of the user's own, with head other, from its .pth file to the report.

Its logits are those of a trained network with a Flatten head, through two linear layers:
y = ReLU(y) - ReLU(-y). So its maps must be that network's, though no closed form knows it.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from workspace import Workspace

from faithcam.results import io as tables

pytestmark = [pytest.mark.slow, pytest.mark.runs]

MODULE = '''
"""The layers of vgg_small, Flatten, two linear layers."""
from torch import nn


def build(classes, size):
    from faithcam.models.families import small

    cells = (size // 8) ** 2
    return nn.Sequential(
        small.vgg_small(),
        nn.Flatten(),
        nn.Linear(64 * cells, 2 * classes),
        nn.ReLU(),
        nn.Linear(2 * classes, classes),
    )
'''
MODEL, ORIGINAL = "mymodels_build-other/seed0", "vgg_small-flatten/seed0"


def through_two_layers(state):
    """Return the state dict of a trained vgg_small, whose linear layer has become two."""
    weight, bias = state["classifier.weight"], state["classifier.bias"]
    one = torch.eye(len(bias))
    layers = {k.removeprefix("features."): v for k, v in state.items() if "features" in k}
    return {
        **{f"module.0.{name}": value for name, value in layers.items()},
        "module.2.weight": torch.cat([weight, -weight]),
        "module.2.bias": torch.cat([bias, -bias]),
        "module.4.weight": torch.cat([one, -one], 1),
        "module.4.bias": torch.zeros_like(bias),
    }


def maps_of(workspace, model, method="hirescam"):
    files = sorted((workspace.results / "maps" / "phantom" / model / method).glob("*.parquet"))
    parts = [tables.read(file).to_pandas() for file in files]
    return np.concatenate([np.stack(part["map"]) for part in parts])


def test_a_network_of_one_s_own_goes_from_its_weights_to_the_report(
    finished, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    (tmp_path / "code").mkdir()
    module = tmp_path / "code" / "mymodels.py"
    module.write_text(MODULE)
    (weights,) = (finished.results / "models" / "phantom" / ORIGINAL).glob("*.safetensors")
    torch.save({"state_dict": through_two_layers(load_file(weights))}, tmp_path / "weights.ckpt")
    mine = tmp_path / "mine.yaml"
    over = {"results": "results/own", "architectures": ["mymodels:build"], "seeds": [0]}
    over |= {"trained_weights": {f"phantom/{MODEL}": str(tmp_path / "weights.ckpt")}}
    mine.write_text(yaml.safe_dump(over))
    own = Workspace(finished.repository, tmp_path / "run", experiment="own")
    own.directory.mkdir()
    configs = ["config/tiny.yaml", mine]

    def measure():
        files = [own.repository / file for file in ("config.yaml", *configs)]
        command = [sys.executable, own.repository / "workflow" / "measure.py", "mymodels:build"]
        subprocess.run([*map(str, [*command, *files])], check=True, cwd=own.directory)

    unmeasured = own.run("--dry-run", configs=configs)
    said = unmeasured.stdout + unmeasured.stderr
    assert "mymodels:build has not been measured yet; run `make measure" in said
    measure()
    done = own.run(configs=configs)
    assert done.returncode == 0, done.stdout + done.stderr

    log = (own.results / "logs" / "train" / "phantom" / f"{MODEL}.log").read_text()
    assert "the names of all layers begin with module., which is taken off" in log
    for method in ("hirescam", "gradcam"):
        expected, actual = maps_of(finished, ORIGINAL, method), maps_of(own, MODEL, method)
        assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max(), method
    assert not (own.results / "maps" / "phantom" / MODEL / "cam").exists()
    truth, known = (tables.read(w.results / "truth.parquet").to_pandas() for w in (own, finished))
    known = known[(known["head"] == "flatten") & (known["seed"] == 0)]
    np.testing.assert_allclose(truth["score"], known["score"], atol=1e-4)
    values = zip(truth["values"], known["values"], strict=True)  # of other draws
    assert np.mean([np.corrcoef(found, expected)[0, 1] for found, expected in values]) > 0.7
    complete = tables.read(own.results / "completeness.parquet").to_pandas()
    complete = complete[complete["method"] == "hirescam"]
    np.testing.assert_allclose(complete["map_sum"], complete["score_minus_bias"], atol=1e-3)
    agreement = tables.read(own.results / "agreement.parquet").to_pandas()
    assert set(agreement["networks"]) == {"other heads"}
    answer = (own.results / "answer.txt").read_text().replace("\n", " ")
    assert "That maps add up to the score of mymodels_build-other" in answer
    assert "completeness is not proven, but measured. Their sums miss it" in answer
    assert "Completeness where it is not proven" in (own.results / "report.html").read_text()
    # what is needed to read it where the module is not
    record = json.loads((own.results / "provenance.json").read_text())
    assert record["networks"] == [["phantom", "mymodels_build", "other", 0]]
    known = own.directory / "resources" / "networks" / "mymodels_build.yaml"
    copied = own.results / "networks" / "mymodels_build.yaml"
    assert copied.read_bytes() == known.read_bytes()

    assert own.planned(configs=configs) == {}
    module.write_text(f"{MODULE}# a comment\n")
    assert own.planned(configs=configs) == {}
    module.write_text(MODULE.replace("nn.ReLU()", "nn.ReLU(inplace=True)"))
    stopped = own.run("--dry-run", configs=configs)
    assert "mymodels:build has changed since it was measured" in stopped.stdout + stopped.stderr
    measure()
    planned = own.planned(configs=configs)
    assert {"train", "explain_other", "aopc", "compute_truth"} <= set(planned)
    assert "prepare_data" not in planned
