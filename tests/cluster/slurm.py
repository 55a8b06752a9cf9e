"""A real Slurm on one machine: munge, one slurmctld and two slurmd with a pretended GPU each.

``PYTHONPATH=workflow/scripts python tests/cluster/slurm.py`` brings it up until Ctrl-C.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import filelock
import psutil

from faithcam.running import placement

Value = TypeVar("Value")

NAME = "faithcam"
# the clients find their configuration here alone: Snakemake's job step drops SLURM_CONF
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch")
INSTALL = "apt-get update && apt-get install --no-install-recommends slurm-wlm munge"
READY = {"IDLE", "MIXED", "ALLOCATED"}
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}

# Times are short, so that faults show soon. MinJobAge must be three times Snakemake's interval at
# least, or squeue forgets jobs before they were seen.
CONFIGURATION = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
CommunicationParameters=NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
CredType=cred/munge
StateSaveLocation={base}/state
SlurmctldPidFile={base}/slurmctld.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdPidFile={base}/%n.pid
SlurmdLogFile={base}/%n.log
SlurmdSpoolDir={base}/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5
GresTypes=gpu
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
MessageTimeout=10
BatchStartTimeout=10
KillWait=5
MinJobAge=600
JobRequeue=1
{nodes}
PartitionName=cpu Nodes=ALL Default=YES
PartitionName=gpu Nodes=ALL
"""


@dataclass(frozen=True)
class Job:
    """What Slurm knows about a job of the last ten minutes."""

    id: int
    state: str
    comment: str
    folder: Path
    partition: str
    node: str
    memory_mb: int
    time_limit: str
    gpus: int
    restarts: int


def missing() -> str:
    """Return why there can be no cluster on this machine, or ""."""
    if os.geteuid() != 0:
        return "a Slurm cluster for the tests needs root"
    if not all(map(shutil.which, PROGRAMS)):
        return f"a Slurm cluster for the tests needs these packages: {INSTALL}"
    configured = ETC / "slurm.conf"
    of_killed_tests = configured.exists() and str(Cluster.base) in configured.read_text()
    if placement.slurm_answers() and not of_killed_tests:
        return "this machine belongs to a Slurm cluster already; the tests would disturb it"
    return ""


def wait_for(what: str, condition: Callable[[], Value], seconds: float = 600) -> Value:
    """Poll until the condition holds and return what it found.

    Raises:
        TimeoutError: naming what did not happen in time.
    """
    deadline = time.monotonic() + seconds
    while not (actual := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return actual


def processes(job: int) -> list[psutil.Process]:
    """Return the processes of a job, whether Slurm still knows of them or not."""
    return [p for p in _with_environment() if p.info["environ"].get("SLURM_JOB_ID") == str(job)]


def _with_environment() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["environ", "cmdline"]):
        if process.info["environ"]:
            yield process


def _is_started_here(process: psutil.Process) -> bool:
    try:
        return any(str(Cluster.base) in part for part in process.cmdline())
    except psutil.Error:
        return False


@dataclass
class Cluster:
    """The cluster; a context manager that leaves the machine as it was.

    Attributes:
        base: all files but the two in /etc/slurm.
        nodes: names of the nodes.
        cpus: of each node, may be more than there are.
    """

    base = Path(tempfile.gettempdir()) / "faithcam-cluster"
    nodes: tuple[str, ...] = ("node1", "node2")
    cpus: int = 4
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        # one such cluster at a time; the system gives the lock back when a process dies
        self.lock = filelock.FileLock(f"{self.base}.lock")
        try:
            self.lock.acquire(blocking=False)
        except filelock.Timeout:
            raise RuntimeError("a cluster of these tests is up on this machine; end it") from None
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Start everything and wait until both nodes take jobs."""
        self._end_processes()  # of a test session that was killed
        shutil.rmtree(self.base, ignore_errors=True)
        self._configure()
        key, socket_path = self.base / "munge.key", self.base / "munge.socket"
        self.tell("mungekey", "--create", f"--keyfile={key}")
        self._start(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}"),
            *(f"--{name}-file={self.base}/munge.{name}" for name in ("pid", "seed", "log")),
        )
        wait_for("munge listens", socket_path.exists, 30)
        self._start("slurmctld", "-D", "-f", str(self.base / "slurm.conf"))
        for node in self.nodes:
            self.start_node(node)
        for node in self.nodes:
            self.wait_until_ready(node)

    def down(self) -> None:
        """End every process of the cluster and its jobs, and put the configuration back."""
        self._end_processes()
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)
            if _kept(name).exists():
                _kept(name).rename(ETC / name)
        self.lock.release()

    def tell(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start("slurmd", "-D", "-N", node, "-f", str(self.base / "slurm.conf"), name=node)

    def kill_node(self, node: str, *, jobs: bool) -> None:
        """Kill a node's slurmd, with all processes of its jobs or without."""
        lost = [job for job in self.jobs() if job.state == "RUNNING" and job.node == node]
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()
        for job in lost if jobs else []:
            for process in self._steps(job.id) + processes(job.id):
                _send(process, signal.SIGKILL)

    def wait_until_ready(self, node: str) -> None:
        """Wait until a node takes jobs: its state alone may be from before it was lost."""
        wait_for(f"{node} is ready", lambda: self.state(node) in READY)
        self.tell("srun", "--quiet", "--mem=1", "--nodelist", node, "true")

    def wait_until_requeued(self, job: int) -> None:
        """Wait until Slurm has given up a job's node, and spare the job its two minutes' delay."""
        wait_for(f"job {job} is pending again", lambda: self.job(job).state == "PENDING")
        self.tell("scontrol", "update", f"JobId={job}", "StartTime=now")

    def state(self, node: str) -> str:
        """Return a node's state, DOWN or IDLE, say."""
        if dead := [name for name, process in self.daemons.items() if process.poll() is not None]:
            raise RuntimeError(f"{', '.join(dead)} ended; why is in {self.base}/*.out and *.log")
        try:
            output = self.tell("sinfo", "--noheader", "--nodes", node, "--format=%T")
        except RuntimeError:  # slurmctld does not answer yet
            return ""
        return output.split()[0].upper() if output.split() else ""

    def job(self, number: int) -> Job:
        """Return a job."""
        return next(job for job in self.jobs() if job.id == number)

    def jobs(self, folder: Path | None = None) -> list[Job]:
        """Return the jobs whose working directory is the folder, or all; oldest first."""
        lines = self.tell("scontrol", "--oneliner", "show", "jobs").splitlines()
        jobs = [_job(line) for line in lines if line.startswith("JobId=")]
        return sorted((job for job in jobs if folder in (None, job.folder)), key=lambda job: job.id)

    def cancel(self, folder: Path) -> None:
        """Cancel all jobs of a folder and wait until they have ended."""

        def left() -> list[str]:
            return [str(job.id) for job in self.jobs(folder) if job.state not in ENDED]

        if jobs := left():
            self.tell("scancel", *jobs)
            wait_for(f"jobs {jobs} end", lambda: not left())

    def _configure(self) -> None:
        for folder in ("state", *self.nodes):
            (self.base / folder).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={17001 + index} "
            f"CPUs={self.cpus} RealMemory=64000 Gres=gpu:1 State=UNKNOWN"
            for index, node in enumerate(self.nodes)
        ]
        text = CONFIGURATION.format(name=NAME, host=host, base=self.base, nodes="\n".join(nodes))
        (self.base / "slurm.conf").write_text(text)
        gpu = f"NodeName={','.join(self.nodes)} Name=gpu File=/dev/null\n"
        (self.base / "gres.conf").write_text(f"# {self.base}\n{gpu}")
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            # a session that was killed has left the original where it is
            if (ETC / name).exists() and str(self.base) not in (ETC / name).read_text():
                (ETC / name).rename(_kept(name))
            shutil.copy(self.base / name, ETC / name)

    def _start(self, *command: str, name: str = "") -> None:
        log = (self.base / f"{name or command[0]}.out").open("ab")
        self.daemons[name or command[0]] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def _steps(self, job: int) -> list[psutil.Process]:
        title = f"slurmstepd: [{job}."
        return [p for p in psutil.process_iter(["cmdline"]) if _title(p).startswith(title)]

    def _end_processes(self) -> None:
        daemons = [process for process in psutil.process_iter() if _is_started_here(process)]
        for process in daemons:
            _send(process, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(daemons, timeout=10)
        steps = [p for p in psutil.process_iter(["cmdline"]) if _title(p).startswith("slurmstepd")]
        jobs = [
            process
            for process in _with_environment()
            if process.info["environ"].get("SLURM_CLUSTER_NAME") == NAME
        ]
        for process in (ending := stubborn + steps + jobs):
            _send(process, signal.SIGKILL)
        psutil.wait_procs(ending, timeout=30)


def _kept(name: str) -> Path:
    return ETC / f"{name}.kept"


def _title(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or [])


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _job(line: str) -> Job:
    actual = dict(re.findall(r"([\w/:]+)=(\S*)", line))
    requested = dict(part.split("=") for part in re.findall(r" TRES=(\S+)", line)[0].split(","))
    memory, unit = requested["mem"][:-1], requested["mem"][-1]
    return Job(
        id=int(actual["JobId"]),
        state=actual["JobState"],
        comment=actual.get("Comment", ""),
        folder=Path(actual["WorkDir"]),
        partition=actual["Partition"],
        node=actual["NodeList"],
        memory_mb=round(float(memory) * {"M": 1, "G": 1024}[unit]),
        time_limit=actual["TimeLimit"],
        gpus=int(actual.get("TresPerJob", "0").rpartition(":")[2]),
        restarts=int(actual["Restarts"]),
    )


if __name__ == "__main__":
    with Cluster():
        print("the cluster is up; Ctrl-C ends it")
        signal.pause()
