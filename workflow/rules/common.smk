# Names and small functions that several stages share.

DATASET = config["dataset"]["name"]
RESULTS = f"results/{DATASET}"
PAPERS_RUNS = list(config["runs"])
RUNS = declared(config)
DESCRIBED = described(config)
COUNTED = counted(config)
PROTOCOLS = config["protocols"]
FOLDS = range(config["split"]["folds"])
REPEATS = repeats(config["seeds"])

STORE = f"{RESULTS}/data/frames.safetensors"
FOLD = f"{RESULTS}/{{protocol}}/{{run}}/fold{{fold}}{{repeat}}"
FOLD_NAME = "{protocol}/{run}-fold{fold}{repeat}"
SPLITS = f"{RESULTS}/data/splits/{{protocol}}/T{{length}}"

# The figures show one fold of one run, under the first protocol.
SHOWN = FOLD.format(
    protocol=PROTOCOLS[0],
    run=config["figures"]["run"],
    fold=config["figures"]["fold"],
    repeat="",
)


# All folds of that run, the one of the figures first.
SHOWN_FOLDS = [f"{SHOWN}/embeddings.safetensors"] + [
    path
    for path in expand(
        f"{FOLD}/embeddings.safetensors",
        protocol=PROTOCOLS[0],
        run=config["figures"]["run"],
        fold=FOLDS,
        repeat="",
    )
    if not path.startswith(f"{SHOWN}/")
]


wildcard_constraints:
    protocol="|".join(EVERY_PROTOCOL),
    run="|".join(map(re.escape, RUNS)),
    fold=r"\d+",
    repeat=r"(-seed\d+)?",
    length=r"\d+",


# The build of torch that fits the device; the results are the same.
GPUS = config["device"].startswith("cuda") or (
    config["device"] == "auto" and count_gpus()
)
TRAINING = "training-cuda" if GPUS else "training-cpu"

# On this machine: a training job a slot of each GPU, or as many as there are cores where there is no
# GPU. On a cluster, which has no number of cores, its scheduler decides.
SLOTS = training_slots(
    config["device"],
    config["slots_per_gpu"],
    workflow.resource_settings.cores or 1,
)
if workflow.resource_settings.cores:
    workflow.global_resources.setdefault("gpu", SLOTS)


def split_of(wildcards):
    """The windows that a run is trained and tested on."""
    length = RUNS[wildcards.run]["segment_length"]
    return f"{SPLITS}/fold{{fold}}.parquet".format(length=length, **wildcards)


def of_folds(file, runs, protocols):
    """A file of all folds and seeds of some runs."""
    return expand(
        f"{FOLD}/{file}", protocol=protocols, run=runs, fold=FOLDS, repeat=REPEATS
    )


def in_order(settings):
    """Settings as JSON that does not depend on the order in which files name them."""
    return json.dumps(settings, sort_keys=True)


def log_of(stage):
    """Log of a stage that has no wildcards."""
    return f"{RESULTS}/logs/{stage}.log"


def benchmark_of(stage):
    """Time and memory of a stage that has no wildcards."""
    return f"{RESULTS}/benchmarks/{stage}.tsv"


def shown(path, caption, category, label, place="-"):
    """An output that the report shows; ``place`` is where the paper has the like of it."""
    controls = path.startswith(f"{RESULTS}/extended/")
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=category,
        subcategory="With the controls" if controls else "Runs of the paper",
        labels={"result": label, "in the paper": place},
    )


def table(name, label, place="-", folder="tables"):
    """A table as CSV, to be saved from the report."""
    return shown(f"{RESULTS}/{folder}/{name}.csv", name, "Data (CSV)", label, place)


def table_page(name, label, place="-", folder="tables"):
    """A table as a page, to be read in the report."""
    return shown(f"{RESULTS}/{folder}/{name}.html", name, "Tables", label, place)


def svg(name, label, place="-", folder="figures"):
    """A figure as SVG, to be seen in the report."""
    return shown(f"{RESULTS}/{folder}/{name}.svg", name, "Figures", label, place)


def notebook_page(name, label, folder="notebooks"):
    """An executed notebook as a page, to be read in the report."""
    return shown(f"{RESULTS}/{folder}/{name}.html", "notebook", "Notebooks", label)


def verdict_page(folder):
    """The verdicts as a page, to be read in the report."""
    path = f"{RESULTS}/{folder}/verdict.html"
    return shown(path, "verdict", "Verdicts", "Every claim of the paper")


def png(*figures, folder="figures"):
    """Figures as PNG."""
    return [f"{RESULTS}/{folder}/{figure}.png" for figure in figures]


def notebook_fingerprint(notebook):
    """Of the notebook's own code, all it imports, and the command that executes it."""
    path = str(Path(workflow.basedir, "notebooks", f"{notebook}.ipynb"))
    return fingerprint(path) + command_fingerprint("notebook")


def pareto_parameters(files, folder):
    """What the notebook of the Pareto plot needs to know."""
    return json.dumps(
        {
            "accuracy": files.accuracy,
            "complexity": files.complexity,
            "protocol": PROTOCOLS[0],
            "figure_stem": f"{RESULTS}/{folder}/pareto",
        }
    )


def shell_commands():
    """Shell command of each rule, by the rule's name."""
    return {rule.name: rule.shellcmd for rule in workflow.rules if rule.shellcmd}


def print_results():
    """Show the tables and say where the figures stand."""
    for table in ("accuracy", "leakage", "complexity"):
        path = Path(RESULTS, "tables", f"{table}.md")
        if str(path) in TABLES and path.exists():
            print(f"\n{path.read_text(encoding='utf-8').rstrip()}")
    if Path(RESULTS, "figures").exists():
        print(f"\nTables: {RESULTS}/tables   Figures: {RESULTS}/figures   ", end="")
        print(f"Notebooks: {RESULTS}/notebooks")
        print(f"Every claim of the paper: {RESULTS}/tables/verdict.html\n", flush=True)
