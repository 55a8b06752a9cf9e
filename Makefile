# make benchmark   the default experiment on simulated radiographs, 9 to 18 minutes on two cores
# make real        the same experiment on BreastMNIST (real ultrasound images)
#   of any experiment, CONFIG=config/medmnist.yaml, say, or several files (default: config.yaml):
# make run         all of it, on this machine
# make plan        what it will take: jobs, hours, disk
# make cluster     run it on Slurm, by profiles/slurm
# make report      a report on what is there so far, even if models are missing
# make archive     one file of a finished run, to move or to keep
# make crate       the same, described for others: a Workflow Run RO-Crate (requirements-crate.txt)
# make verify      check the hash of every file of an archived run
# make measure NAME=timm:resnet26   measure a network of timm, or NAME=mymodels:build CONFIG=...: your own
#   for developers:
# make test        all tests but those below: some eight minutes on two cores
# make test-runs   whole runs: killed and resumed, what reruns after which change, archived, of volumes
# make test-validity  a whole run with all controls
# make test-faults   damaged files, wrong configs, attacks, reruns and cases, with a line of counts
# make test-cluster   tests on a real Slurm, brought up on this machine (Debian, root); a part of
#                  them: TESTS="-m quick", TESTS="-k cancelled"
# make docs        the documentation site, build/docs; nothing in it is loaded from the network
# make test-docs   build it, and look at every page in a browser
# make lint        formatters, type checks, workflow lint
# make speed       the metrics against bare forward passes (and other packages, see docs/speed.md)
# make truth      what cells contribute, against captum
# make stages      where a whole run spends its time    make growth    how time grows with its size
# make parity      how far maps and metrics are from other packages: docs/parity.md
# make lines       how many lines of code usual jobs take, here and with other packages
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
# CONFIG is a file, whose path may have spaces, or several, as the shell reads them: "a.yaml 'b c.yaml'"
quoted = '$(subst ','\'',$(1))'
CONFIGS := $(if $(shell test -f $(call quoted,$(CONFIG)) && echo one),$(call quoted,$(CONFIG)),$(CONFIG))
# the names that are no files, then /; nothing where quotes do not match
SEEN := $(shell for file in $(CONFIGS); do test -f "$$file" || echo "$$file"; done; echo /)
MISSING := $(filter-out /,$(or $(SEEN),$(CONFIG)))
$(if $(MISSING),$(error CONFIG: there is no file $(MISSING); write several files as CONFIG="a.yaml b.yaml"))
FILES := config.yaml $(CONFIGS)
UNLOCKED := $(BIN)/python workflow/check.py $(FILES) && $(BIN)/python workflow/unlock.py && \
	PYTHONPATH="$(CURDIR)/workflow/progress$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/snakemake --logger progress
SNAKEMAKE := $(UNLOCKED) --executor local --cores $(CORES)
REAL := config.yaml config/medmnist.yaml
export MPLBACKEND = Agg

.PHONY: benchmark run real plan cluster report archive crate verify measure test test-runs test-validity
.PHONY: test-faults test-cluster lint
.PHONY: speed stages growth truth parity lines docs test-docs clean

run: .venv/run
	$(SNAKEMAKE) --configfile $(FILES)
	@$(BIN)/python workflow/ending.py $(FILES)

benchmark: .venv/run
	$(if $(CONFIG),$(error CONFIG: benchmark is config.yaml alone; use make run CONFIG=$(CONFIG)))
	$(SNAKEMAKE)
	@$(BIN)/python workflow/ending.py config.yaml

real: .venv/run
	$(SNAKEMAKE) --configfile $(REAL)
	@$(BIN)/python workflow/ending.py $(REAL)

plan: .venv/run
	@$(BIN)/python workflow/plan.py $(FILES)

cluster: .venv/run
	$(UNLOCKED) --workflow-profile profiles/slurm --configfile $(FILES)
	@$(BIN)/python workflow/ending.py $(FILES)

report: .venv/run
	$(SNAKEMAKE) --configfile $(FILES) --config incomplete=True
	@$(BIN)/python workflow/ending.py $(FILES)

measure: .venv/run
	@$(BIN)/python workflow/measure.py "$(NAME)" $(FILES)

archive crate verify: .venv/run
	@$(BIN)/python workflow/archive.py $@ $(FILES)

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-runs: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m runs

test-validity: .venv/dev
	$(BIN)/python -m pytest tests/workflow/test_validity_run.py -m validity

test-faults: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "faults or counts"

test-cluster: .venv/dev
	$(BIN)/python -m pytest tests/cluster -m cluster --durations 0 $(TESTS)

docs: .venv-docs/done
	rm -rf build/docs
	.venv-docs/bin/sphinx-build -q -E -W --keep-going -c docs/site -d build/doctrees docs build/docs
	@echo "Documentation: $(CURDIR)/build/docs/index.html"

test-docs: docs .venv/dev
	$(BIN)/python -m pytest tests/docs/test_docs_site.py -m docs

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd workflow/scripts && $(CURDIR)/$(BIN)/mypy --config-file ../../pyproject.toml
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

speed stages growth truth parity: .venv/run
	$(BIN)/python benchmarks/$@.py

lines: .venv/run
	@$(BIN)/python benchmarks/lines_of_code.py

clean:
	rm -rf .venv .venv-docs build

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -r requirements-dev.txt
	touch $@

# the API reference imports the package: what it needs comes from the other environment
.venv-docs/done: requirements-docs.txt .venv/run
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --disable-pip-version-check --progress-bar off -r requirements-docs.txt
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$(.venv-docs/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/run.pth
	touch $@
