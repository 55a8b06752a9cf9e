"""Where a whole run spends its time (``make stages``).

Runs the workflow from nothing in a temporary folder and prints, for each rule, the jobs, their CPU
time (from their logs) and how much of it is start-up: Python and the imports of the rule's adapter,
measured by running these alone. What remains of the run's CPU time is Snakemake's own.
"""

import ast
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "workflow" / "scripts"


def children_cpu() -> float:
    """Return the CPU seconds of all finished child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def startup(adapter: Path) -> float:
    """Return the CPU seconds of starting Python and importing what an adapter imports."""
    imports = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(adapter.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    code = "\n".join(
        ["import snakemake.script", f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})"]
    )
    times = []
    for _ in range(3):
        before = children_cpu()
        subprocess.run([sys.executable, "-c", "\n".join([code, *imports])], check=True)
        times.append(children_cpu() - before)
    return statistics.median(times)


def adapter_of(rule: str) -> Path:
    """Return the script of a rule: metrics share one."""
    paths = (SCRIPTS / f"{name}.py" for name in (rule, f"compute_{rule}", "score"))
    return next(path for path in paths if path.is_file())


def cpu_times(folder: Path) -> dict[str, list[float]]:
    """Return the CPU seconds of all jobs, by rule, from the folder of their logs."""
    seconds_of: dict[str, list[float]] = {}
    for file in sorted(folder.rglob("*.log")):
        rule = file.relative_to(folder).parts[0].removesuffix(".log")
        times = re.findall(r"^CPU time: ([0-9.]+) s$", file.read_text(encoding="utf-8"), re.M)
        if not times:
            sys.exit(f"{file}: no CPU time in this log, expected one at its end; did the job fail?")
        seconds_of.setdefault(rule, []).append(float(times[-1]))
    return seconds_of


def main() -> None:
    """Run and print the table; arguments go to Snakemake, e.g. ``--configfile``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        options = sys.argv[1:] or ["--configfile", str(ROOT / "config.yaml")]
        before, started = children_cpu(), time.perf_counter()
        subprocess.run(
            [*command, "--directory", folder, "--cores", "all", "--quiet", "all", *options],
            check=True,
            cwd=ROOT,
        )
        wall, total = time.perf_counter() - started, children_cpu() - before
        (logs,) = (path for path in Path(folder).rglob("logs") if ".snakemake" not in path.parts)
        jobs = cpu_times(logs)
    print(f"{wall:.0f} s on {os.cpu_count()} cores, {total:.0f} CPU seconds\n")
    print("| rule | jobs | CPU s | of it start-up | share of all CPU time |")
    print("|---|---|---|---|---|")
    rows = [("Snakemake itself", "", total - sum(map(sum, jobs.values())), 0.0)]
    for rule, times in jobs.items():
        start = startup(adapter_of(rule)) * len(times)
        rows.append((rule, str(len(times)), sum(times), start))
    for rule, count, seconds, start in sorted(rows, key=lambda row: -row[2]):
        print(f"| {rule} | {count} | {seconds:.1f} | {start:.1f} | {seconds / total:.1%} |")
    starts = sum(row[3] for row in rows)
    print(f"\nstart-up of all jobs: {starts:.0f} CPU s, {starts / total:.1%} of all")


if __name__ == "__main__":
    main()
