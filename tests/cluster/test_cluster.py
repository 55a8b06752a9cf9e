"""The workflow on a real Slurm, with real faults: the bytes are those of an undisturbed run."""

import contextlib
import signal
import subprocess
import sys
from collections import Counter

import psutil
import pytest
import slurm
from small import ROOT, SHARDS, hash_of

from faithcam.core import devices

pytestmark = pytest.mark.cluster


def hold(cluster, experiment, rule, *shards) -> list[tuple[slurm.Job, psutil.Process]]:
    """Stop a rule's scripts before their work, so that a fault finds them there; let others go on.

    Args:
        cluster: that all jobs of the run fit in at once, as they wait for the gate until then.
        experiment: whose run has just been started, behind the gate.
        rule: of the scripts.
        shards: how the jobs' comments end.

    Returns:
        The job and the script of each shard.
    """
    held = []
    for shard in shards:

        def at_work(shard=shard):
            assert experiment.started[-1].poll() is None, experiment.said
            for job in cluster.jobs(experiment.directory):
                if job.comment.startswith(f"rule_{rule}_") and job.comment.endswith(shard):
                    for process in scripts(job.id, rule):
                        return job, process
            return None

        held.append(slurm.wait_for(f"{rule} {shard} is at work", at_work))
        held[-1][1].suspend()
    experiment.gate.touch()
    return held


def scripts(job, rule):
    """Return the processes that run a rule's script for a job."""
    separate = (ROOT / "workflow" / "scripts" / f"{rule}.py").is_file()
    name = f".{rule}.py" if separate else ".score.py"  # which metrics share
    return [p for p in slurm.processes(job) if name in " ".join(p.info["cmdline"] or [])]


def runs(cluster, experiment):
    """Return how often Slurm has started each job: what was whole must not be computed twice."""
    started = Counter()
    for job in cluster.jobs(experiment.directory):
        rule, shard = job.comment.split("_wildcards_")[0], job.comment.rpartition("_")[2]
        started[rule.removeprefix("rule_"), shard] += 1 + job.restarts
    return started


def unlock(experiment):
    return subprocess.run(
        [sys.executable, ROOT / "workflow" / "unlock.py"],
        cwd=experiment.directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.quick
def test_a_whole_experiment_gives_the_bytes_of_a_local_run(cluster, reference, fresh):
    fresh.finish(fresh.start())
    assert fresh.hashes() == reference.hashes()
    assert set(runs(cluster, fresh).values()) == {1}


def test_jobs_get_the_gpus_they_ask_for_and_run_at_once(cluster, experiment):
    if devices.visible_gpus():
        pytest.skip("this machine has a GPU: the trainings would not fail")
    weights = [experiment.model.with_name(f"seed{seed}") / "weights.safetensors" for seed in (0, 1)]
    experiment.settings |= {"device": "cuda", "seeds": [0, 1]}
    run = experiment.start(*weights, "--retries", 0, gated=True)
    held = hold(cluster, experiment, "train", "_0", "_1")
    for job, process in held:
        assert (job.partition, job.gpus) == ("gpu", 1)
        assert process.environ()["CUDA_VISIBLE_DEVICES"] == "0"
    assert {job.node for job, _ in held} == set(cluster.nodes)
    for _, process in held:
        process.resume()
    assert run.wait(600) != 0
    assert "torch sees no CUDA device (CUDA_VISIBLE_DEVICES is '0')" in experiment.log("train")


@pytest.mark.quick
def test_a_cancelled_shard_is_run_again(cluster, reference, experiment):
    run = experiment.start(*experiment.lose("aopc"), gated=True)
    ((job, _),) = hold(cluster, experiment, "aopc", SHARDS[0])
    cluster.tell("scancel", str(job.id))
    experiment.finish(run)
    assert cluster.job(job.id).state == "CANCELLED"
    assert experiment.hashes() == reference.hashes()
    assert runs(cluster, experiment) == {("aopc", SHARDS[0]): 2, ("aopc", SHARDS[1]): 1}


def test_jobs_of_a_node_that_dies_run_again_on_another(cluster, reference, experiment):
    run = experiment.start(*experiment.lose("haas"), gated=True)
    ((job, _),) = hold(cluster, experiment, "haas", SHARDS[0])
    slurm.wait_for("the other shard is whole", lambda: "1 of 2 steps" in experiment.said)
    try:
        cluster.kill_node(job.node, jobs=True)
        cluster.wait_until_requeued(job.id)
        experiment.finish(run)
    finally:
        cluster.start_node(job.node)
    assert experiment.hashes() == reference.hashes()
    assert runs(cluster, experiment) == {("haas", SHARDS[0]): 2, ("haas", SHARDS[1]): 1}
    assert cluster.job(job.id).node != job.node
    cluster.wait_until_ready(job.node)


def test_a_killed_snakemake_leaves_nothing_behind_and_goes_on(cluster, reference, experiment):
    targets = experiment.lose("haas", "max_sensitivity", "aopc")
    whole, held = targets[:4], targets[4:]
    run = experiment.start(*targets, gated=True)
    hold(cluster, experiment, "aopc", *SHARDS)
    slurm.wait_for("the other shards are whole", lambda: "4 of 6 steps" in experiment.said)
    made = {path: path.stat().st_mtime_ns for path in whole}
    alive = unlock(experiment)
    assert "another Snakemake is running" in alive.stderr
    assert len([job for job in cluster.jobs(experiment.directory) if job.state == "RUNNING"]) == 2

    run.send_signal(signal.SIGKILL)
    run.wait()
    dead = unlock(experiment)
    assert dead.returncode == 0, dead.stderr
    assert "cancelled 2 jobs" in dead.stdout
    assert not any(path.exists() for path in held)
    experiment.finish(experiment.start(*targets))
    assert experiment.hashes() == reference.hashes()
    assert {path: path.stat().st_mtime_ns for path in whole} == made
    started = runs(cluster, experiment)
    assert {started.pop(("aopc", shard)) for shard in SHARDS} == {2}
    assert set(started.values()) == {1}


def test_a_requeued_job_may_run_beside_its_orphan(cluster, reference, experiment):
    scores = experiment.lose("aopc")[0]
    run = experiment.start(scores, gated=True)
    ((job, orphan),) = hold(cluster, experiment, "aopc", SHARDS[0])
    try:
        cluster.kill_node(job.node, jobs=False)
        cluster.wait_until_requeued(job.id)
        slurm.wait_for("the job runs again", lambda: len(scripts(job.id, "aopc")) == 2)
        orphan.resume()
        seen = set()
        while run.poll() is None:
            with contextlib.suppress(FileNotFoundError, subprocess.TimeoutExpired):
                seen.add(hash_of(scores))
                run.wait(0.1)
        experiment.finish(run)
    finally:
        cluster.start_node(job.node)
    slurm.wait_for("the orphan ends", lambda: not orphan.is_running())
    assert runs(cluster, experiment) == {("aopc", SHARDS[0]): 2}
    # neither half a file, nor other bytes, whichever of the two wrote it
    assert seen == {hash_of(reference.results / scores.relative_to(experiment.results))}
    assert experiment.hashes().items() <= reference.hashes().items()
    cluster.wait_until_ready(job.node)


def test_a_training_cut_off_by_its_time_limit_goes_on_from_its_last_epoch(
    cluster, reference, experiment
):
    weights = experiment.lose_model()
    # given on the command line the option replaces the profile's, partition and all
    limits = ("train:slurm_partition=gpu", "train:runtime=1 if attempt == 1 else 30")
    run = experiment.start(weights, "--set-resources", *limits, gated=True)
    ((_, process),) = hold(cluster, experiment, "train", "_0")
    process.resume()
    slurm.wait_for("an epoch is whole", (experiment.model / "checkpoint.pt").exists)
    process.suspend()  # longer than its limit
    experiment.finish(run)
    assert [(job.state, job.time_limit) for job in cluster.jobs(experiment.directory)] == [
        ("TIMEOUT", "00:01:00"),
        ("COMPLETED", "00:30:00"),
    ]
    assert "going on after epoch" in experiment.log("train")
    assert experiment.hashes() == reference.hashes()


def test_a_job_out_of_memory_is_run_again_with_more(cluster, reference, experiment):
    run = experiment.start(*experiment.lose("aopc"), gated=True)
    ((job, process),) = hold(cluster, experiment, "aopc", SHARDS[0])
    process.kill()  # as the kernel does when memory is out
    experiment.finish(run)
    first, second = (
        other for other in cluster.jobs(experiment.directory) if other.comment == job.comment
    )
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert second.memory_mb > first.memory_mb
    assert experiment.hashes() == reference.hashes()
    assert runs(cluster, experiment) == {("aopc", SHARDS[0]): 2, ("aopc", SHARDS[1]): 1}
