# Names and small functions that several stages share.

DATASET = config["dataset"]["name"]
RESULTS = f"results/{DATASET}"
RUNS = config["runs"]
TRAINED = {run for study in STUDIES.values() for run in study.runs}
FOLDS = range(config["split"]["folds"])
REPEATS = repeats(config["seeds"])
TOGETHER = config["training"]["folds_together"]

STORE = f"{RESULTS}/data/frames.safetensors"
UNLABELLED = f"{RESULTS}/data/unlabelled/frames.safetensors"
OVERVIEW = f"{RESULTS}/data/overview.html"
RUN = f"{RESULTS}/{{protocol}}/{{run}}"
FOLD = f"{RUN}/fold{{fold}}{{repeat}}"
SPLITS = f"{RESULTS}/data/splits/{{protocol}}/T{{length}}"
STUDY = f"{RESULTS}/{{study}}"


wildcard_constraints:
    protocol="|".join(PROTOCOLS),
    run="|".join(map(re.escape, RUNS)),
    fold=r"\d+",
    repeat=r"(-seed\d+)?",
    length=r"\d+",
    study="|".join(map(re.escape, STUDIES)),


# On this machine: a training job a slot of each GPU, or as many as there are cores where there is no
# GPU. On a cluster, which has no number of cores, its scheduler decides.
SLOTS = training_slots(
    config["device"],
    config["slots_per_gpu"],
    workflow.resource_settings.cores or 1,
)
if workflow.resource_settings.cores:
    workflow.global_resources.setdefault("gpu", SLOTS)


def literal(value):
    """A value as a param: Snakemake would take braces in a text for wildcards."""
    return lambda wildcards: value


def code_of(stage, *models):
    """Fingerprint of the code of a stage, and of the models that it is given by name."""
    return stage_fingerprint(module_of(stage), *models)


def code_of_run(stage):
    """Fingerprint of a stage that is given the run of its wildcards."""
    return lambda wildcards: code_of(stage, RUNS[wildcards.run]["model"])


def splits_of(wildcards):
    """Windows of all folds that a run is trained and tested on."""
    length = RUNS[wildcards.run]["segment_length"]
    folder = SPLITS.format(length=length, protocol=wildcards.protocol)
    return [f"{folder}/fold{fold}.parquet" for fold in FOLDS]


def folder_of_splits(wildcards, input):
    """The folder of these files."""
    return str(Path(input.splits[0]).parent)


def of_all_folds(file):
    """A file of all folds of a run, with one seed."""
    return expand(f"{FOLD}/{file}", fold=FOLDS, allow_missing=True)


def trained(file):
    """A file that the job of a training writes, for each of its folds."""
    return of_all_folds(file) if TOGETHER else f"{FOLD}/{file}"


def folder_of_fold(wildcards):
    """The folder of a fold of a run, with {fold} for its number."""
    return f"{RUN}/fold{{{{fold}}}}{{repeat}}".format(**wildcards)


def folder_of_others(wildcards):
    """The folder of a fold of another run, with {run} and {fold} for its name and number."""
    return folder_of_fold({**wildcards, "run": "{run}"})


def trained_before(wildcards):
    """Files of other runs that a training starts from, or whose epochs it has."""
    settings = training_of(config, wildcards.run)
    needed = (
        [(settings["start_from"], "model.safetensors")]
        if settings["start_from"]
        else []
    )
    needed += [(run, "history.csv") for run in settings["epochs_of"]]
    folds = FOLDS if TOGETHER else [wildcards.fold]
    return [
        f"{FOLD}/{file}".format(**{**wildcards, "run": run, "fold": fold})
        for run, file in needed
        for fold in folds
    ]


def model_settings(wildcards):
    """Model and hyperparameters of a run."""
    return in_order(model_of(config, wildcards.run))


def as_json(value, **options):
    """JSON without <: the report has params in a script, and a tag would end it."""
    return json.dumps(value, **options).replace("<", r"\u003c")


def in_order(settings):
    """Settings as JSON that does not depend on the order in which files name them."""
    return as_json(settings, sort_keys=True)


def part_of(result):
    """The part of a study that a table or figure reads; runs stay in their order."""
    return lambda wildcards: as_json(STUDIES[wildcards.study].part(*result.reads))


def parameters_of(notebook):
    """The parameter of a notebook: the part of a study that it reads."""
    return lambda wildcards: as_json(
        {"study": STUDIES[wildcards.study].part(*notebook.reads)}
    )


def needed_by(result):
    """Files that a table or figure is made of."""
    return lambda wildcards: list(map(str, result.needs(STUDIES[wildcards.study])))


def log_of(stage):
    """Log of a stage that has no wildcards."""
    return f"{RESULTS}/logs/{stage}.log"


def benchmark_of(stage):
    """Time and memory of a stage that has no wildcards."""
    return f"{RESULTS}/benchmarks/{stage}.tsv"


def in_report(path, caption, category, label, place="-"):
    """An output that the report shows; ``place`` is where the paper has it."""
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory="{study}",
        labels={"result": label, "in the paper": place},
    )


CATEGORIES = {"csv": "Data (CSV)", "html": "Tables", "svg": "Figures"}


def outputs_of(result, folder, files):
    """Outputs of a stage: those with a label are in the report, as CSV, HTML page or SVG."""
    about = {output.name: output for output in result.outputs}
    found = {}
    for name in files:
        stem, _, suffix = name.rpartition(".")
        path, output = f"{STUDY}/{folder}/{name}", about[stem]
        if output.label and suffix in CATEGORIES:
            category = "Verdicts" if name == "verdict.html" else CATEGORIES[suffix]
            path = in_report(path, stem, category, output.label, output.paper)
        found[name.replace(".", "_")] = path
    return found


def notebook_fingerprint(notebook):
    """Of the notebook's own code, all it imports, and the stage that executes it."""
    path = str(Path(workflow.basedir, "notebooks", f"{notebook}.ipynb"))
    return fingerprint(path) + code_of("notebook")


def results_of(study):
    """All results of a study, once its models are known to fit the skeleton."""

    def found(wildcards):
        try:
            check_fits(config, study)
        except InputError as error:
            raise WorkflowError(shown(str(error))) from None
        return [OVERVIEW, *map(str, products(STUDIES[study]))]

    return found


def code_of_table(table):
    """Fingerprint of a table's stage, and of the models that it builds."""
    if table.name != "complexity":
        return code_of(table.name)
    return lambda wildcards: code_of(
        table.name,
        *sorted({run["model"] for run in STUDIES[wildcards.study].counted.values()}),
    )


def shell_commands():
    """Shell command of each rule, by the rule's name."""
    return {rule.name: rule.shellcmd for rule in workflow.rules if rule.shellcmd}


def print_results():
    """Show the tables of the study that was built, and say where its figures are."""
    targets = workflow.dag_settings.targets or ["all"]
    for study in STUDIES.values():
        first = study.name == next(iter(STUDIES))
        if (
            study.name not in targets
            and not (first and "all" in targets)
            and "studies" not in targets
        ):
            continue
        for name in ("accuracy", "leakage", "complexity"):
            path = study.table(f"{name}.md")
            if path in tables_of(study):
                print(f"\n{path.read_text(encoding='utf-8').rstrip()}")
        folder = study.folder
        print(f"\nTables: {folder}/tables   Figures: {folder}/figures   ", end="")
        print(f"Notebooks: {folder}/notebooks\nAll tables: {folder}/summary.html")
        if study.claims:
            print(f"Every claim of the paper: {folder}/tables/verdict.html")
        print(flush=True)
