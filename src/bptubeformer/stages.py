"""The stages of the workflow, and what each table and figure of a study is made of.

The rules, the command line, ``check`` and the crate take their names from here. A new table is its
module, an entry in ``TABLES``, one in ``STAGES``, its caption in ``workflow/report`` and a test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bptubeformer.study import (
    ATTENTION,
    CALIBRATION,
    EMBEDDINGS,
    HISTORY,
    IDENTITY,
    MOVEMENT,
    NOTEBOOKS,
    PREDICTIONS,
    PROJECTOR,
    RECORD,
    SUMMARY_FILE,
    Study,
)

STAGES = {
    "acquire": "data.acquire:acquire",
    "synthetic": "data.synthetic:write_synthetic",
    "ingest": "data.ingest:write_store",
    "split": "data.splits:write_splits",
    "cost": "evaluation.cost:write_cost",
    "train": "training.job:train_folds",
    "predict": "evaluation.predict:predict_folds",
    "embed": "evaluation.embed:embed_folds",
    "attend": "evaluation.attend:attend_segment",
    "attention_movement": "evaluation.attention_movement:write_attention_movement",
    "identify": "evaluation.identify:identify_folds",
    "calibrate": "evaluation.calibrate:calibrate_folds",
    "accuracy": "evaluation.accuracy:write_accuracy",
    "leakage": "evaluation.leakage:write_leakage",
    "complexity": "evaluation.complexity:write_complexity",
    "movement": "evaluation.movement:write_movement",
    "silhouettes": "evaluation.clusters:write_silhouettes",
    "retrieval": "evaluation.retrieval:write_retrieval",
    "calibration": "evaluation.calibration:write_calibration",
    "findings": "verdict.findings:write_findings",
    "verdict": "verdict.page:write_verdict",
    "summary": "verdict.summary:write_summary",
    "notebook": "figures.execute:execute_notebook",
    "overview": "figures.overview:write_overview",
    "projector": "figures.projector:write_projector",
    "crate": "provenance.crate:write_crate",
    "check": "provenance.check:check_crate",
    "classify": "classify:classify_trajectories",
}
"""Module and function of each stage; its command has the arguments of the function."""

PACKAGE = Path("src", "bptubeformer")
"""This package, from the folder of the Snakefile."""
CLAIMS = PACKAGE / "claims.yaml"


@dataclass(frozen=True)
class Output:
    """A table or figure, and what the report says of it."""

    name: str
    """Of the file, without its suffix."""
    label: str = ""
    """In the report, which leaves it out where this is empty."""
    paper: str = "-"
    """The table or figure of the paper that it replicates."""
    pages: bool = False
    """True if a table is also written as Markdown and HTML."""


@dataclass(frozen=True)
class Result:
    """A stage that makes tables or figures of a study."""

    name: str
    message: str
    outputs: tuple[Output, ...]
    reads: tuple[str, ...]
    """Settings of the study that it reads."""
    needs: Callable[[Study], list[Path]]
    """Files that it is made of, besides the frame store."""
    wanted: Callable[[Study], bool] = lambda study: True
    """False for a study that has no such result."""


TABLES = (
    Result(
        "accuracy",
        "Table 1: balanced accuracy",
        (
            Output("accuracy", "Balanced accuracy", "Table 1", pages=True),
            Output("metrics", "All metrics", pages=True),
            Output("folds", "Every fold"),
            Output("recalls", "Recall of each class, every fold"),
            Output("counts"),
        ),
        ("runs", "protocols", "folds", "seeds", "baseline", "learned", "printed"),
        lambda study: study.files(PREDICTIONS),
    ),
    Result(
        "leakage",
        "The same runs under each protocol",
        (Output("leakage", "Leakage: the same runs under each protocol", pages=True),),
        ("leakage", "protocols", "folds", "seeds", "learned"),
        lambda study: [
            path
            for name in (PREDICTIONS, HISTORY)
            for path in study.files(name, study.leakage, study.compared_protocols)
        ],
        lambda study: bool(study.leakage),
    ),
    # Costs need no training: controls are counted with the paper's runs.
    Result(
        "complexity",
        "Table 2: MACs and parameters",
        (
            Output("complexity", "Complexity", "Table 2", pages=True),
            Output("complexity_stages", "Where the MACs arise"),
            Output("complexity_ratios", "Cost at equal segment length"),
            Output("transformers", "Tokens and widths of the transformers"),
        ),
        ("counted", "batch_size", "printed"),
        lambda study: [],
    ),
    Result(
        "movement",
        "Does attention follow movement?",
        (Output("movement", "Does attention follow movement?", pages=True),),
        ("protocols", "folds", "seeds", "shown", "bootstrap"),
        lambda study: study.files(MOVEMENT, [study.shown], [study.protocol]),
    ),
    Result(
        "silhouettes",
        "Silhouettes of the class tokens",
        (
            Output("silhouettes", "Silhouettes of the class tokens", "Fig. 5b"),
            Output("silhouette_counts"),
        ),
        ("protocols", "folds", "shown", "shown_fold", "figures_seed"),
        lambda study: study.shown_files(EMBEDDINGS),
    ),
    Result(
        "retrieval",
        "Identity: does a segment give its video away?",
        (Output("retrieval", "Identity: does a segment give its video away?", pages=True),),
        ("identity", "protocols", "folds", "seeds"),
        lambda study: study.files(IDENTITY, study.identity, study.compared_protocols),
        lambda study: bool(study.identity),
    ),
    Result(
        "calibration",
        "Calibration: does the model know when it does not know?",
        (Output("calibration", "Calibration: does the model know when it does not know?",
                pages=True),),
        ("calibration", "protocols", "folds", "seeds"),
        lambda study: study.files(CALIBRATION, study.calibration, [study.protocol]),
        lambda study: bool(study.calibration),
    ),
    Result(
        "findings",
        "Answers to the questions of the study",
        (Output("findings", "Findings", pages=True),),
        ("question", "findings", "protocols", "folds", "seeds", "margin", "minimum_videos"),
        lambda study: [
            *made("accuracy", study),
            *study.files(CALIBRATION, study.asked_of_uncertainty, [study.protocol]),
        ],
        lambda study: bool(study.findings),
    ),
    Result(
        "verdict",
        "A verdict on every claim of the paper",
        (Output("verdict", "Every claim of the paper", pages=True),),
        (
            "runs", "training", "protocols", "folds", "seeds", "shown", "shown_fold", "margin",
            "minimum_videos", "config",
        ),
        lambda study: [
            *made("accuracy", study),
            *made("complexity", study),
            *made("silhouettes", study),
            *made("movement", study),
            study.shown_folder / ATTENTION,
            study.shown_folder / PREDICTIONS,
            *study.files(RECORD, protocols=[study.protocol]),
            CLAIMS,
            PACKAGE / "verdict" / "page.html.j2",
        ],
        lambda study: study.claims,
    ),
)  # fmt: skip
"""Stages whose outputs are tables of a study, each after those that it needs."""

NOTEBOOK_RESULTS = (
    Result(
        "confusion",
        "Confusion matrix and recalls",
        (
            Output("confusion", "Confusion matrix", "Fig. 3"),
            Output("confusion_best", "Confusion matrix of the best run", "Fig. 3"),
            Output("recalls", "Recall of each class"),
        ),
        ("protocols", "folds", "seeds", "shown", "baseline"),
        lambda study: [
            study.table("accuracy.csv"),
            study.table("recalls.csv"),
            *study.files(PREDICTIONS, protocols=[study.protocol]),
        ],
    ),
    Result(
        "learning",
        "Learning curves",
        (Output("learning_curves", "Learning curves of every run and fold"),),
        ("runs", "protocols", "folds", "seeds"),
        lambda study: study.files(HISTORY, protocols=[study.protocol]),
    ),
    Result(
        "attention",
        "Attention of one segment",
        (
            Output("attention_body_parts", "Attention between class token and body parts",
                   "Fig. 4a"),
            Output("attention_tubelets", "Attention between tubelets", "Fig. 4b-d"),
            Output("attention_skeletons", "Attention on the skeleton", "Fig. 4e"),
        ),
        ("protocols", "shown", "shown_settings", "shown_fold"),
        lambda study: [study.shown_folder / ATTENTION],
    ),
    Result(
        "movement",
        "Attention and movement",
        (Output("movement", "Attention and movement"),),
        ("shown",),
        lambda study: [study.table("movement.csv")],
    ),
    Result(
        "embeddings",
        "Class tokens",
        (
            Output("tsne", "t-SNE of the class tokens", "Fig. 5a"),
            Output("silhouette_classes", "Silhouettes by true class", "Fig. 5b"),
            Output("silhouette_clusters", "Silhouettes by cluster", "Fig. 5b"),
        ),
        ("protocols", "shown", "shown_fold", "perplexity", "figures_seed"),
        lambda study: [study.shown_folder / EMBEDDINGS],
    ),
    Result(
        "pareto",
        "Accuracy against cost",
        (Output("pareto", "Accuracy against cost"),),
        ("protocols",),
        lambda study: [study.table("accuracy.csv"), study.table("complexity.csv")],
    ),
)  # fmt: skip
"""Notebooks, each with the figures that it draws."""


SUMMARY = Result(
    "summary",
    "All tables on one page",
    (),
    (
        "question", "runs", "training", "protocols", "folds", "seeds", "leakage", "identity",
        "calibration", "findings", "shown", "shown_fold", "margin", "minimum_videos", "claims",
        "config",
    ),
    lambda study: [
        *tables_of(study),
        *study.files(RECORD, protocols=[study.protocol]),
        CLAIMS,
    ],
)  # fmt: skip
"""The page with all tables of a study."""


def module_of(stage: str) -> str:
    """Return the name of the module of a stage."""
    return f"bptubeformer.{STAGES[stage].partition(':')[0]}"


def table_files(table: Result) -> Iterator[str]:
    """Yield the names of the files of a stage's tables, the first of all its CSV."""
    for output in table.outputs:
        for suffix in ("csv", "md", "html") if output.pages else ("csv",):
            yield f"{output.name}.{suffix}"


def figure_files(notebook: Result) -> Iterator[str]:
    """Yield the names of the files of a notebook's figures."""
    for output in notebook.outputs:
        yield from (f"{output.name}.svg", f"{output.name}.png")


def made(name: str, study: Study) -> list[Path]:
    """Return the paths of a stage's tables, one of ``TABLES``."""
    (table,) = [table for table in TABLES if table.name == name]
    return [study.table(file) for file in table_files(table)]


def tables_of(study: Study) -> list[Path]:
    """Return the paths of all tables of a study."""
    return [path for table in TABLES if table.wanted(study) for path in made(table.name, study)]


def products(study: Study) -> list[Path]:
    """Return the paths of all results of a study: what its target builds."""
    figures = [study.figure(file) for one in NOTEBOOK_RESULTS for file in figure_files(one)]
    pages = [study.folder / NOTEBOOKS / f"{one.name}.html" for one in NOTEBOOK_RESULTS]
    summary = study.folder / SUMMARY_FILE
    return [
        *tables_of(study),
        *figures,
        *pages,
        study.folder / PROJECTOR / "projector_config.pbtxt",
        summary,
        summary.with_suffix(".html"),
    ]
