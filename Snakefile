# Replication of BPTubeFormer (AVSS 2024). The stages are in workflow/rules, what they run is in
# src/bptubeformer, what they run it with is in config.yaml.

import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


sys.path.insert(0, str(Path(workflow.basedir, "src")))
# Python keeps what it compiles: each job is a process, and compiling torch alone takes it seconds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Stages run with the Python that runs Snakemake, unless a conda environment is activated for them.
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]
    )
)

from bptubeformer.checks import check_config, check_fits
from bptubeformer.config import (
    SYNTHETIC,
    categories_of,
    model_of,
    reading_of,
    resolve_overlays,
    skeleton_of,
    studies_of,
    training_of,
    without_local_paths,
)
from bptubeformer.data.layout import folder_state
from bptubeformer.errors import InputError
from bptubeformer.fingerprint import fingerprint, package_fingerprint, stage_fingerprint
from bptubeformer.kinds import PROTOCOLS
from bptubeformer.progress import SweepProgress
from bptubeformer.sections import parsed_yaml
from bptubeformer.stages import (
    NOTEBOOK_RESULTS,
    SUMMARY,
    TABLES,
    figure_files,
    module_of,
    products,
    table_files,
    tables_of,
)
from bptubeformer.stopping import StopJobs
from bptubeformer.study import leftovers, repeats
from bptubeformer.texts import shown
from bptubeformer.training.device import training_slots

logger.addHandler(SweepProgress())
logger.addHandler(StopJobs())
try:
    config.update(resolve_overlays(config, Path(workflow.basedir, "config.yaml")))
    config.update(check_config(config))
    STUDIES = studies_of(config)
    SOURCE_STATE = folder_state(config["dataset"]["source"])
except InputError as error:
    raise WorkflowError(shown(str(error))) from None


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/leftovers.smk"


rule all:
    default_target: True
    input:
        results_of(next(iter(STUDIES))),


for NAME in STUDIES:

    rule:
        name:
            NAME
        input:
            results_of(NAME),


rule studies:
    input:
        [results_of(NAME) for NAME in STUDIES],


onsuccess:
    print_results()
