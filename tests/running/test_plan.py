"""The plan of an experiment: hours and disk from costs, corrected by what jobs really took."""

from pathlib import Path

import pytest
import yaml
from folders import classes

from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.running import command, costs, plan
from faithcam.running.plan import Job

ROOT = Path(__file__).parents[2]


def config(**over):
    return experiment.merged(experiment.read([ROOT / "config.yaml"]), over)


def jobs_of(**over):
    return list(plan.jobs(Plan(config(**over))))


def line_of(rule, text):
    (line,) = (line for line in text.splitlines() if line.startswith(f"{rule} "))
    return line


def test_times_are_corrected_by_what_jobs_took(tmp_path):
    jobs = jobs_of()
    aopc = [job for job in jobs if job.rule == "aopc"]
    for job, factor in zip(aopc, (2, 3, 10), strict=False):
        file = tmp_path / "aopc" / job.model / f"{job.shard}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tcpu_time\n{100 * job.seconds}\t{factor * job.seconds}\n")
    train = next(job for job in jobs if job.rule == "train")
    file = tmp_path / "train" / f"{train.model}.tsv"
    file.parent.mkdir(parents=True)
    file.write_text(f"s\tcpu_time\n{train.seconds}\t{train.seconds / 2}\n")
    file = tmp_path / "haas" / aopc[0].model / f"{aopc[0].shard}.tsv"
    file.parent.mkdir(parents=True)
    file.write_text("s\tcpu_time\n0.1\tNA\n")
    ratios = plan.measured(jobs, config(), tmp_path)
    assert ratios == {"aopc": pytest.approx([2, 3, 10]), "train": pytest.approx([0.5])}
    # processor time is of all threads, planned seconds are the clock's
    in_four = plan.measured(jobs, config(threads=4), tmp_path)
    assert in_four["aopc"] == pytest.approx([2 / 4, 3 / 4, 10 / 4])
    on_gpu = plan.measured(jobs, config(device="cuda"), tmp_path)
    assert on_gpu["aopc"] == pytest.approx([100] * 3)

    def hours(rule, text):
        return float(line_of(rule, text).split()[-2])

    many = [job for job in jobs for _ in range(1000)]
    built_in, corrected = (plan.table(many, config(), actual) for actual in ({}, ratios))
    assert hours("aopc", corrected) == pytest.approx(3 * hours("aopc", built_in), rel=0.01)
    assert "aopc: 3.00 times the built-in cost, as 3 jobs here took" in corrected
    assert hours("haas", corrected) == hours("haas", built_in)


def test_jobs_that_are_too_long_are_named():
    assert "lower" not in plan.table(jobs_of(), config(), {})
    text = plan.table(jobs_of(), config(), {"haas": [1e4], "train": [1e6]})
    assert "haas takes more than 30 minutes a job: lower images_per_job.haas, or batch_size" in text
    assert "train takes more" not in text  # which no key makes shorter


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ([3, 59], "under a minute"),
        ([3, 61], "up to 1"),
        ([3, 600], "up to 10"),
        ([60, 60], "about 1"),
        ([590, 610], "about 10"),
        ([120, 600], "2 to 10"),
    ],
)
def test_the_minutes_of_a_rule_s_jobs_are_few_words(seconds, words):
    text = plan.table([Job("haas", "m", "0-24", s) for s in seconds], config(), {})
    assert f" {words}  " in line_of("haas", text)


def test_jobs_are_the_shards_of_every_network():
    jobs = jobs_of(images_per_job={"haas": 24}, explained_images=72)
    actual = {(job.model, job.shard) for job in jobs if job.rule == "haas"}
    networks = {job.model for job in jobs if job.rule == "train"}
    assert actual == {(m, s) for m in networks for s in ("0-24", "24-48", "48-72")}
    assert {job.shard for job in jobs if job.rule == "explain"} == {"0-72"}


def test_twice_the_images_leave_twice_as_much():
    def size(rule, images):
        return sum(j.size for j in jobs_of(explained_images=images) if j.rule == rule)

    for rule in ("explain", "aopc", "haas"):
        assert size(rule, 48) == pytest.approx(2 * size(rule, 24)) != 0


def test_gpu_hours_are_counted_apart():
    text = plan.table(jobs_of(device="cuda"), config(device="cuda"), {})
    assert "GPU hours" in text
    assert "CPU core hours" in text
    assert "GPU hours" not in plan.table(jobs_of(), config(), {})


def test_own_weights_cost_no_training():
    weights = {"phantom/vgg_small-gap/seed0": "w.safetensors"}
    training = [job for job in jobs_of(trained_weights=weights) if job.rule == "train"]
    (free,) = (job for job in training if job.seconds == costs.START)
    assert free.model in weights


MINE = """
datasets: [mine]
dataset_definitions: {mine: {source: folder, path: images, size: 64, val: 0.2, test: 0.4}}
"""


def test_images_of_the_users_own_are_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classes(tmp_path / "images", 60)
    mine = config(**yaml.safe_load(MINE))
    assert plan.split_images(mine, "mine") == {"train": 48, "val": 24, "test": 48}
    free, trained = (
        next(job.seconds for job in jobs_of(**yaml.safe_load(text)) if job.rule == "train")
        for text in (f"{MINE}training: {{epochs: 0}}\n", MINE)
    )
    assert free < trained


def test_folders_that_cannot_be_read_are_an_error(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classes(tmp_path / "images", 60)
    (tmp_path / "images" / "cat" / "broken.png").symlink_to("nowhere")
    (tmp_path / "mine.yaml").write_text(MINE)
    assert plan.main([str(ROOT / "config.yaml"), "mine.yaml"]) == 1
    assert "broken.png (a link to nothing)" in capsys.readouterr().err


def test_what_is_assumed_is_said(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("device: cuda\n")
    assert plan.main([str(ROOT / "config.yaml"), str(tmp_path / "mine.yaml")]) == 0
    assert "GPU times are assumed, not measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [("seeds: 3\n", "config: seeds"), ("- a\n", "list found"), (None, "no such config file")],
)
def test_a_wrong_config_is_an_error_without_a_traceback(tmp_path, capsys, text, words):
    file = tmp_path / "wrong.yaml"
    if text:
        file.write_text(text)
    assert plan.main([str(ROOT / "config.yaml"), str(file)]) == 1
    output = capsys.readouterr().err
    assert output.startswith("error: ")
    assert words in output
    assert "Traceback" not in output


def test_the_documented_plan_of_the_published_study_is_the_plan(tmp_path):
    study = experiment.read([ROOT / "config.yaml", ROOT / "config" / "thesis.yaml"])
    jobs = list(plan.jobs(Plan(study)))
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    assert plan.table(jobs, study, plan.measured(jobs, study, tmp_path)) in text


def test_a_file_that_cannot_be_imported_ends_a_command_with_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "whole.py").write_text("def main(arguments):\n    return len(arguments)\n")
    (tmp_path / "broken.py").write_text(
        "from faithcam.core.errors import FaithcamError\nraise FaithcamError('mine.py: mend it')\n"
    )
    for module, code in (("whole", 2), ("broken", "error: mine.py: mend it")):
        with pytest.raises(SystemExit) as left:
            command.run(module, ["a", "b"])
        assert left.value.code == code
