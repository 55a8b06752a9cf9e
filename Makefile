# make benchmark   the default experiment on simulated radiographs, about ten minutes on two cores
# make real        the same experiment on BreastMNIST (real ultrasound images)
# make report      a report on what is there so far, even if models are missing
#                  (of another experiment: make report CONFIG=config/medmnist.yaml)
# make archive     one file of a finished run, to move or to keep; make verify checks every file's hash
#                  (both take CONFIG=..., too)
# make test        all tests            make lint    formatters, type checks, workflow lint
# make speed       the metrics against bare forward passes (and other packages, see the README)
# make stages      where a whole run spends its time    make growth    how time grows with its size
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
SNAKEMAKE := $(BIN)/python workflow/unlock.py && $(BIN)/snakemake --executor local --cores $(CORES)
REAL := --configfile config.yaml config/medmnist.yaml
export MPLBACKEND = Agg

.PHONY: benchmark real report archive verify test lint speed stages growth clean

benchmark: .venv/run
	$(SNAKEMAKE)
	@echo && echo "Report: $(CURDIR)/results/report.html" && cat results/answer.txt

real: .venv/run
	$(SNAKEMAKE) $(REAL)
	@echo && echo "Report: $(CURDIR)/results/medmnist/report.html" && cat results/medmnist/answer.txt

report: .venv/run
	$(SNAKEMAKE) $(if $(CONFIG),--configfile config.yaml $(CONFIG)) --config incomplete=True

archive verify: .venv/run
	$(BIN)/python workflow/archive.py $@ config.yaml $(CONFIG)

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd workflow/scripts && $(CURDIR)/$(BIN)/mypy --config-file ../../pyproject.toml
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

speed stages growth: .venv/run
	$(BIN)/python benchmarks/$@.py

clean:
	rm -rf .venv

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -r requirements-dev.txt
	touch $@
