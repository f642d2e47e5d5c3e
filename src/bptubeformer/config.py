"""Meaning of ``config.yaml``: its runs, studies, trainings and skeleton.

Needs only what comes with Snakemake itself (YAML, pydantic), like ``checks``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from bptubeformer.arms import MEMBERS, OF_MEMBERS, with_arms
from bptubeformer.claims import printed_table
from bptubeformer.errors import InputError
from bptubeformer.models import shared_hyperparameters, source_training
from bptubeformer.models.geometry import extents, side_of
from bptubeformer.partition import AS_IT_IS
from bptubeformer.questions import with_questions
from bptubeformer.sections import nearest, parsed_yaml, wrong
from bptubeformer.settings import ReadingSettings
from bptubeformer.skeleton import COCO_17, Skeleton, known_skeletons, load_skeleton
from bptubeformer.study import Study

SYNTHETIC = "synthetic"
"""``dataset.source`` of the demonstration dataset, made instead of acquired."""

REMOTE = ("doi:", "http://", "https://")
NOT_OF_THE_MODEL = ("model", "experiment", "training")
"""Keys of a run that are not hyperparameters of its model."""
OF_THE_SOURCE = "source"
"""In place of the training settings of a run: those of its model's source."""
OF_THE_DATASET = ("image_size",)
"""Hyperparameters whose values the dataset has."""
WITHOUT_EFFECT = ("checkpoint_seconds", "folds_together")
"""Settings of ``training`` that change no result."""
_wrong = partial(wrong, "config")


def written_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with a run for each arm, and a question for each run it is about.

    Raises:
        InputError: an arm does not exist, or its run has no training of its source.
    """
    whole = {**config, "studies": with_questions(config.get("studies"))}
    if isinstance(config.get("runs"), Mapping):
        whole["runs"] = {name: _with_training(name, run) for name, run in with_arms(config).items()}
    return whole


def _with_training(name: str, run: Any) -> Any:
    """Return a run with the training settings of its source, where it asks for them."""
    if not isinstance(run, Mapping) or run.get("training") != OF_THE_SOURCE:
        return run
    settings = source_training(str(run.get("model")))
    if settings is None:
        raise _wrong(
            f"runs.{name}.training", OF_THE_SOURCE,
            f"{run.get('model')} has none (TRAINING_OF_ITS_SOURCE); name the settings",
        )  # fmt: skip
    return {**run, "training": settings}


def trained_before(config: Mapping[str, Any], name: str) -> list[str]:
    """Return the runs without which a run cannot be trained: their weights or epochs are its."""
    settings = training_of(config, name)
    start = settings["start_from"]
    return list(dict.fromkeys([*([start] if start else []), *settings["epochs_of"]]))


def members_of(config: Mapping[str, Any], study: str, key: str = "runs") -> list[str]:
    """Return the names of a study's runs; the name of another study in the list adds its runs.

    Args:
        config: the configuration.
        study: name of the study.
        key: ``runs``, or ``counted`` for those whose cost is counted besides.

    Raises:
        InputError: a name is neither a run nor a study.
    """
    studies = config["studies"]
    found: dict[str, None] = {}
    waiting = list(studies[study].get(key, ()))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in config["runs"]:
            found[name] = None
        elif name not in studies:
            known = nearest(name, [*config["runs"], *studies])
            raise _wrong(f"studies.{study}.{key}", name, f"no such run or study; {known}")
        elif name not in seen:
            seen.add(name)
            waiting = [*studies[name]["runs"], *waiting]
    return list(found)


def studies_of(config: Mapping[str, Any], root: Path = Path("results")) -> dict[str, Study]:
    """Return the studies of a configuration, by name.

    Args:
        config: as ``check_config`` returns it.
        root: the folder of all results.
    """
    config = written_out(config)
    statistics, figures = config["statistics"], config["figures"]
    shared = {
        "results": Path(root, config["dataset"]["name"]),
        "folds": config["split"]["folds"],
        "seeds": config["seeds"],
        "shown_fold": figures["fold"],
        "perplexity": figures["perplexity"],
        "figures_seed": figures["seed"],
        "batch_size": config["complexity"]["batch_size"],
        "learned": statistics["learned"],
        "margin": statistics["margin"],
        "minimum_videos": statistics["minimum_videos"],
        "bootstrap": [statistics["bootstrap_samples"], statistics["bootstrap_seed"]],
        "printed": {"accuracy": printed_table(1), "complexity": printed_table(2)},
        "config": portable(config),
    }
    found = {}
    for name, study in config["studies"].items():
        runs = members_of(config, name)
        shown = study["shown"]
        counted = dict.fromkeys([*runs, *members_of(config, name, "counted")])
        found[name] = Study(
            name=name,
            question=study["question"],
            runs=run_columns(config, runs),
            counted=run_columns(config, counted),
            training={run: dict(sorted(training_of(config, run).items())) for run in runs},
            protocols=study.get("protocols", config["protocols"]),
            baseline=study["baseline"],
            **{key: study.get(key, []) for key in OF_MEMBERS},
            findings={q: pair for q, pair in study.get("findings", {}).items() if pair},
            shown=shown,
            shown_settings=run_columns(config, [shown])[shown],
            claims=study.get("claims", False),
            **shared,
        )
    return found


def model_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a run's model and hyperparameters, as ``models.build_model`` takes them.

    What the run's entry leaves out comes from ``architecture``, as far as the model has it;
    ``part`` in a kernel or stride becomes a number of rows or columns.
    """
    return with_shared(config, config["runs"][name], skeleton_of(config))


def with_shared(
    config: Mapping[str, Any], entry: Mapping[str, Any], skeleton: Skeleton
) -> dict[str, Any]:
    """Return what ``model_of`` returns, of an entry that need not be in the configuration."""
    known = shared_hyperparameters(entry["model"])
    shared = {key: value for key, value in config["architecture"].items() if key in known}
    own = {key: value for key, value in entry.items() if key not in NOT_OF_THE_MODEL}
    model = {"model": entry["model"], **shared, **own}
    if model.get("coordinates") == "frame":
        model |= {key: config["dataset"][key] for key in OF_THE_DATASET}
    side = side_of_grids(model, skeleton)
    for axes in ("kernel", "stride"):
        if axes in model and side is not None:
            model[axes] = extents(model[axes], side)
    return model


def side_of_grids(model: Mapping[str, Any], skeleton: Skeleton) -> int | None:
    """Return the side of a run's grids; where ``check_fits`` refuses its partition, of another."""
    try:
        return side_of(model, skeleton)
    except ValueError:
        return side_of({**model, "partition": AS_IT_IS}, skeleton)


def run_columns(config: Mapping[str, Any], runs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the columns of the tables for each run: experiment, model, hyperparameters, sorted."""
    return {
        name: dict(
            sorted(
                {"experiment": config["runs"][name]["experiment"], **model_of(config, name)}.items()
            )
        )
        for name in runs
    }


def without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without local paths, safe to publish."""
    dataset = dict(config["dataset"])
    elsewhere = (SYNTHETIC, *known_skeletons())
    for key in ("source", "skeleton", "labels"):
        value = dataset.get(key)
        if value is not None and value not in elsewhere and not value.startswith(REMOTE):
            dataset[key] = Path(value).name
    return {**config, "dataset": dataset}


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as verdicts are given it: the same on any machine, in one order."""
    training = {**config["training"], "checkpoint_seconds": 0, "folds_together": False}
    anywhere = {
        **without_local_paths(config), "device": "auto", "slots_per_gpu": 1, "training": training,
    }  # fmt: skip
    return json.loads(json.dumps(anywhere, sort_keys=True))


def training_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a run's training settings: those of all runs, and what its entry changes.

    Without those that change no result: the interval of checkpoints, folds that share a job.
    """
    settings = {**config["training"], **config["runs"][name].get("training", {})}
    return {key: value for key, value in settings.items() if key not in WITHOUT_EFFECT}


def resolve_overlays(config: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return ``runs`` and ``studies`` with what overlays did to them put in order.

    Runs and studies are in the order of ``config.yaml``, then those that only an overlay names:
    Snakemake puts what an overlay touches first, and tables would follow that. Those that an
    overlay sets to null are left out, also of the lists of studies. A run that is in no study is
    added to the first.

    Args:
        config: ``config.yaml`` with everything laid over it.
        base: ``config.yaml``.

    Raises:
        InputError: a run that does not exist is left out or named.
    """
    listed = parsed_yaml(Path(base).read_text(encoding="utf-8"))
    settled: dict[str, Any] = {}
    for section in ("runs", "studies"):
        if not isinstance(config.get(section), Mapping):
            raise _wrong(section, config.get(section), "expected a mapping")
    config = {**config, "runs": with_arms(config, listed["runs"])}
    config["studies"] = with_questions(config["studies"])
    for section in ("runs", "studies"):
        given = config[section]
        names = [*(n for n in listed[section] if n in given), *given]
        settled[section] = {n: given[n] for n in names if given[n] is not None}
    listed["runs"] = with_arms(listed)
    known = list(dict.fromkeys([*listed["runs"], *settled["runs"]]))
    for name, run in config["runs"].items():
        if run is None and name not in known:
            raise _wrong(f"runs.{name}", None, f"no such run; known: {', '.join(known)}")
    left_out = {
        name for section in ("runs", "studies") for name in listed[section]
        if name not in settled[section]
    }  # fmt: skip
    in_a_study = {
        str(name)
        for study in [*listed["studies"].values(), *settled["studies"].values()]
        for key in ("runs", "counted")
        if isinstance(study, Mapping) and isinstance(study.get(key), list)
        for name in study[key]
    }
    for number, (name, study) in enumerate(settled["studies"].items()):
        if not isinstance(study, Mapping) or not isinstance(study.get("runs"), list):
            continue  # the kinds of all keys are checked later
        if study.get("baseline") not in known:
            raise _wrong(
                f"studies.{name}.baseline", study.get("baseline"),
                f"no such run; known: {', '.join(known)}",
            )  # fmt: skip
        left: dict[str, Any] = {
            key: [run for run in study[key] if str(run) not in left_out]
            for key in MEMBERS
            if isinstance(study.get(key), list)
        }
        if isinstance(study.get("findings"), Mapping):
            left["findings"] = {
                question: pair
                for question, pair in study["findings"].items()
                if not isinstance(pair, list) or not left_out.intersection(map(str, pair))
            }
        if number == 0:
            left["runs"] += [run for run in settled["runs"] if run not in in_a_study]
        settled["studies"][name] = {**study, **left}
    return settled


def reading_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the source is read: settings of the stage ``ingest``."""
    return {field.name: config["dataset"][field.name] for field in fields(ReadingSettings)}


def skeleton_of(config: Mapping[str, Any]) -> Skeleton:
    """Return the skeleton of the dataset.

    Raises:
        InputError: it does not exist, or its file is not the description of a skeleton.
    """
    try:
        return load_skeleton(config["dataset"].get("skeleton", COCO_17.name))
    except InputError as error:
        raise InputError(f"config: dataset.skeleton: {error}") from None


def categories_of(config: Mapping[str, Any]) -> list[str] | None:
    """The categories a dataset must have; None where they are read from its folders."""
    return config["categories"].get(config["dataset"]["name"])
