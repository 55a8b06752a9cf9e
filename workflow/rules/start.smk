# What is checked before a run begins, and what is said at its ends.
import sys
from pathlib import Path

# not of the main file, which may be workflow/Snakefile
ROOT = Path(workflow.current_basedir).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from snakemake.exceptions import WorkflowError

from faithcam.data import prepare
from faithcam.experiment import config as experiment
from faithcam.experiment.given_problems import unscored_maps
from faithcam.core import devices, plugins, run
from faithcam.running import measuring, placement, progress
from faithcam.running.plan import seconds_of_rules
from faithcam.core.errors import FaithcamError
from faithcam.results import files

run.begin()
if ON_STORAGE:
    files.keep_no_records()
try:
    if IS_MAIN_PROCESS:
        experiment.read(CONFIG_FILES)  # Snakemake takes the last of a key given twice
    # one way to write each path, for Snakemake and for the commands that read the files
    config.update(experiment.normalised(config))
    plugins.use(config)
    if IS_MAIN_PROCESS:
        # jobs of a cluster need not look at a folder of images again
        experiment.validate(
            config, ROOT / "workflow" / "schemas" / "config.schema.yaml"
        )
        measuring.check(config)
        notes = prepare.left_out(config)
        options = command_line()
        placement.check_profile(options.workflow_profile, STARTED_IN, ROOT)
        placement.check_device(options.executor, config["device"])
        placement.check_version(Path(config["results"]))
        if not ON_STORAGE:
            placement.check_notes(Path(config["results"]))
        # here, one job per GPU at once; on a cluster the scheduler knows better
        if options.executor in (None, "local"):
            limit_gpus(max(1, len(devices.visible_gpus())))
except FaithcamError as error:
    raise WorkflowError(str(error)) from None


onstart:
    try:
        placement.check_local(options.executor)
        if options.executor == "slurm":
            placement.check_status_command(options.slurm_status_command)
    except FaithcamError as error:
        raise WorkflowError(str(error)) from None
    placement.note_run(options.executor)
    if "progress" in options.logger:
        progress.expect(seconds_of_rules(PLAN))
    if not ON_STORAGE:
        placement.note_version(Path(RESULTS))
    for text in [*axes.unused_metrics(config), *unscored_maps(config), *notes]:
        print(f"Note: {text}", file=sys.stderr)
    drop_rate_limit()


onsuccess:
    # make targets end with it themselves
    if "progress" not in options.logger and Path(RESULTS, "report.html").exists():
        print(f"Report: {Path(RESULTS, 'report.html').resolve()}", file=sys.stderr)
