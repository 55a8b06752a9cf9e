"""Files of a finished run of the tiny experiment, and ways in which they go wrong.

Their time of change is kept, so that no one but who reads them can notice.
"""

import os
from pathlib import Path


def replace(path, content):
    """Write another content, with the old time of change: as what goes wrong on a disk leaves it.

    It is a file of its own: copies of a run share what is not damaged.
    """
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=times)


def flip(path):
    """Flip the lowest bit of the byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace(path, content)


def cut(path):
    """Cut the last third off."""
    content = path.read_bytes()
    replace(path, content[: len(content) * 2 // 3])


def empty(path):
    """Leave nothing in it."""
    replace(path, b"")


def swap(path):
    """Put another network's file of its kind in its place, or one from near it."""
    twin = Path(str(path).replace("/seed0/", "/seed1/"))
    near = sorted(p for p in path.parents[1].rglob("[!.]*") if p.is_file())
    alike = [p for p in near if p.suffix == path.suffix]
    contents = (other.read_bytes() for other in [twin, *alike, *near])
    own = path.read_bytes()
    replace(path, next(content for content in contents if content != own))


def remove(path):
    """Take it away."""
    path.unlink()


DAMAGES = {damage.__name__: damage for damage in (flip, cut, empty, swap, remove)}

RESULTS = "results/tiny"
NETWORK = "phantom/vgg_small-flatten/seed0"
MANIFEST = "data/phantom/manifest.json"
# each kind of file, and the rule whose job reads it
DATA = {
    "images": ("data/phantom/images.npy", "explain_flatten"),
    "masks": ("data/phantom/masks.npy", "draw_examples"),
    "image table": ("data/phantom/table.parquet", "compare_methods"),
    "image manifest": (MANIFEST, "explain_gap"),
}
KINDS = DATA | {
    "weights": (f"models/{NETWORK}/weights.safetensors", "explain_flatten"),
    "predictions": (f"models/{NETWORK}/predictions.parquet", "haas"),
    "map": (f"maps/{NETWORK}/gradcam/0-10.parquet", "haas"),
    "checks of maps": (f"maps/{NETWORK}/checks/0-10.parquet", "collect_checks"),
    "truth": (f"truth/{NETWORK}/0-3.parquet", "truth_agreement"),
    "admission": (f"truth/{NETWORK}/admission/0-3.parquet", "collect_truth"),
    "scores": (f"metrics/haas/{NETWORK}/0-10.parquet", "collect_scores"),
    "curves": (f"metrics/aopc/{NETWORK}/curves/0-10.parquet", "collect_curves"),
    "candidates": (f"concordance/{NETWORK}/0-3.parquet", "judge_metrics"),
    "evaluations": ("evaluations.parquet", "collect_scores"),
    "all scores": ("scores.parquet", "compare_methods"),
    "all curves": ("curves.parquet", "draw_figures"),
    "all checks": ("checks.parquet", "write_report"),
    "completeness": ("completeness.parquet", "draw_figures"),
    "models": ("models.parquet", "compare_methods"),
    "statistics": ("statistics.parquet", "compare_maps"),
    "subgroups": ("subgroups.parquet", "write_report"),
    "agreement": ("agreement.parquet", "draw_truth"),
    "concordance": ("concordance.parquet", "write_report"),
    "verdicts": ("validity.parquet", "draw_truth"),
    "all admission": ("truth_admission.parquet", "write_report"),
    "cases": ("cases.json", "write_report"),
    "provenance": ("provenance.json", "write_report"),
    "figure": ("figures/haas-phantom.png", "write_report"),
}
# and what no job reads in this run
UNREAD = (
    f"models/{NETWORK}/history.parquet",
    "multiverse.parquet",
    "truth.parquet",
    "answer.txt",
    "report.html",
)


def named(kind):
    """Return the input by whose name a job reads a kind of file: that of images is the manifest."""
    name, rule = KINDS[kind]
    whole = kind in DATA and rule != "compare_methods"
    return f"{RESULTS}/{MANIFEST if whole else name}"


def answer(run, jobs, folder, kind, damage):
    """Damage a file in a copy of the run; return what the job that reads it says, and the file."""
    name, rule = KINDS[kind]
    path = folder / RESULTS / name
    damage(path)
    code, said = jobs.run(folder, run.script(rule, named(kind)))
    assert code == 1, said or "the job noticed nothing"
    assert f"{RESULTS}/{name}" in said
    assert "Traceback" not in said
    assert "unexpected" not in said
    return said, path
