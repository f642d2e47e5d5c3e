"""Meaning and validation of ``config.yaml``, before any job starts.

Needs only what comes with Snakemake itself (YAML, pydantic): the models' hyperparameters are read
from their source, so that a clean checkout is checked before any environment is made.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from bptubeformer.arms import MEMBERS, OF_MEMBERS, with_arms
from bptubeformer.claims import printed_table
from bptubeformer.data.addresses import refuse_secrets
from bptubeformer.data.layout import is_file, is_folder, plain
from bptubeformer.errors import InputError
from bptubeformer.kinds import CHANCE, ERROR, LEFT_OUT, MEASURES, PROTOCOLS, UNLABELLED
from bptubeformer.models import (
    available,
    check_hyperparameter,
    check_requirements,
    hyperparameters,
    is_model,
    lacking,
    shared_hyperparameters,
    source_training,
)
from bptubeformer.models.geometry import check_heads, extents, side_of, tubelet_grid
from bptubeformer.partition import AS_IT_IS
from bptubeformer.questions import with_questions
from bptubeformer.schema import Configuration, Training
from bptubeformer.sections import accept, nearest, parsed_yaml, wrong
from bptubeformer.settings import SEARCHES, WITHOUT_GRADIENT, ReadingSettings
from bptubeformer.skeleton import COCO_17, Skeleton, known_skeletons, load_skeleton
from bptubeformer.stages import NOTEBOOK_RESULTS, STAGES
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
TAKEN = (
    *STAGES, *(f"draw_{notebook.name}" for notebook in NOTEBOOK_RESULTS), *PROTOCOLS,
    "all", "studies", "data", "logs", "benchmarks", "tensorboard",
)  # fmt: skip
"""Rules, and folders below ``results/<dataset>``."""
_wrong = partial(wrong, "config")


def check_config(config: Mapping[str, Any], data_elsewhere: bool = False) -> dict[str, Any]:
    """Return a configuration that can run: as given, with numbers where texts such as 1e-3 stood.

    Args:
        config: ``config.yaml`` with everything laid over it.
        data_elsewhere: True for the configuration of a received run; its data and labels are not
            looked for.

    Raises:
        InputError: one line: the key, its value, and what to do.
    """
    config = written_out(config)
    _check_names(config)
    checked = accept(Configuration, config, "config")
    skeleton = skeleton_of(checked)
    if not data_elsewhere:
        _check_source(checked["dataset"])
        labels = checked["dataset"]["labels"]
        if labels is not None and not is_file(Path(labels)):
            raise _wrong("dataset.labels", labels, "no such file; give a table: video,label")
    if checked["dataset"]["source"] == SYNTHETIC and skeleton.joints != COCO_17.joints:
        raise _wrong(
            "dataset.skeleton", checked["dataset"]["skeleton"],
            "the demonstration has the joints of coco-17; give coco-17, or a source of yours",
        )  # fmt: skip
    for name, categories in checked["categories"].items():
        if len(set(map(plain, categories))) < len(categories):
            raise _wrong(
                f"categories.{name}", categories,
                "two names are one but for case, spaces, hyphens and underscores; rename one",
            )  # fmt: skip
    checked["architecture"] = _shared_hyperparameters(checked["architecture"])
    runs = checked["runs"]
    for name in runs:
        runs[name] = _checked_run(checked, f"runs.{name}", runs[name], skeleton)
    for name in runs:
        _check_training(checked, name)
    _refuse_same_names("runs", runs)
    _refuse_same_names("studies", checked["studies"])
    for name, study in checked["studies"].items():
        _check_study(name, study, runs, checked)
    if checked["figures"]["fold"] >= checked["split"]["folds"]:
        raise _wrong(
            "figures.fold", checked["figures"]["fold"],
            f"folds are counted from 0; use at most {checked['split']['folds'] - 1}",
        )  # fmt: skip
    return checked


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


def left_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a finished run, checked, without what is null in it.

    Args:
        config: with null for each run and study that was left out; its data may be elsewhere.

    Raises:
        InputError: it is not valid.
    """
    given = {
        section: {name: entry for name, entry in config[section].items() if entry is not None}
        for section in ("runs", "studies")
    }
    return check_config({**config, **given}, data_elsewhere=True)


def _refuse_same_names(section: str, named: Mapping[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name, entry in named.items():
        if name.lower() in seen:
            raise _wrong(
                f"{section}.{name}", entry,
                f"{section}.{seen[name.lower()]} has the same name (case is ignored); rename one",
            )  # fmt: skip
        seen[name.lower()] = name


def _check_study(
    name: str, study: Mapping[str, Any], runs: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Refuse a study whose name is taken, or that names runs that it does not have."""
    if name.lower() in TAKEN:
        raise _wrong(f"studies.{name}", study, "the name of a stage or folder; rename the study")
    members = members_of(config, name)
    members_of(config, name, "counted")
    if not members:
        raise _wrong(f"studies.{name}.runs", study["runs"], "no run is left; name one")
    named_runs = {"shown": study["shown"]}
    for key in OF_MEMBERS:
        named_runs |= {f"{key}.{i}": run for i, run in enumerate(study.get(key, ()))}
    for key, run in named_runs.items():
        if run not in members:
            raise _wrong(f"studies.{name}.{key}", run, f"no such run; one of {', '.join(members)}")
    for run in study.get("identity", []):
        if run not in study.get("leakage", []):
            raise _wrong(
                f"studies.{name}.identity", run,
                f"it is trained under every protocol; name it in studies.{name}.leakage too",
            )  # fmt: skip
    for key, named in (("runs", members), ("leakage", study.get("leakage", []))):
        for run in named:
            for other in trained_before(config, run):
                if other not in named:
                    raise _wrong(
                        f"studies.{name}.{key}", study[key],
                        f"{run} needs {other} (runs.{run}.training); add it, or leave {run} out",
                    )  # fmt: skip
    for question, pair in study.get("findings", {}).items():
        place = f"studies.{name}.findings.{question}"
        _check_question(config, place, pair or (), members, study.get("calibration", []))
    of_shown = runs[study["shown"]]
    if of_shown["model"] != "bptubeformer" or of_shown.get("partition", AS_IT_IS) != AS_IT_IS:
        raise _wrong(
            f"studies.{name}.shown", study["shown"],
            "the attention figures need tubelets of the skeleton's body parts; give a run of the "
            "model bptubeformer",
        )  # fmt: skip


def _check_question(
    config: Mapping[str, Any],
    place: str,
    pair: Sequence[Any],
    members: Sequence[str],
    measured: Sequence[str],
) -> None:
    """Refuse a question about runs that are not trained, or not measured as it asks."""
    runs, measures = pair[:2], pair[2:]
    if measures and runs[1] == CHANCE and measures != [ERROR]:
        runs = runs[:1]
    for run in runs:
        if isinstance(run, list) or run not in members:
            raise _wrong(place, run, f"no such run; one of {', '.join(members)}")
        for measure in measures:
            if measure not in MEASURES:
                raise _wrong(place, measure, f"no such measure; one of {', '.join(MEASURES)}")
            if run not in measured:
                raise _wrong(place, run, "its uncertainty is not measured; name it in calibration")
            if measure == LEFT_OUT and not training_of(config, run)["left_out"]:
                raise _wrong(place, run, "it leaves out no class; set its training.left_out")
            if measure == UNLABELLED and config["dataset"]["unlabelled"] is None:
                raise _wrong(place, measure, "the data has none; set dataset.unlabelled")


def trained_before(config: Mapping[str, Any], name: str) -> list[str]:
    """Return the runs without which a run cannot be trained: their weights or epochs are its."""
    settings = training_of(config, name)
    start = settings["start_from"]
    return list(dict.fromkeys([*([start] if start else []), *settings["epochs_of"]]))


def _check_training(config: Mapping[str, Any], name: str) -> None:
    """Refuse a training that cannot be, or that needs runs which it cannot have."""
    runs, settings = config["runs"], training_of(config, name)
    if settings["loss"] == WITHOUT_GRADIENT and settings["optimiser"] not in SEARCHES:
        raise _wrong(
            f"runs.{name}.training.loss", WITHOUT_GRADIENT,
            f"it has no gradient for {settings['optimiser']}; give training.optimiser "
            f"{' or '.join(SEARCHES)}",
        )  # fmt: skip
    for other in trained_before(config, name):
        key = "start_from" if other == settings["start_from"] else "epochs_of"
        place = f"runs.{name}.training.{key}"
        if other not in runs:
            raise _wrong(place, other, f"no such run; {nearest(other, [*runs])}")
        if trained_before(config, other):
            raise _wrong(place, other, "it needs other runs itself; name one that needs none")


def _check_alike(config: Mapping[str, Any], name: str) -> None:
    """Refuse a training that needs a run of other steps, or weights that have seen other data."""
    runs, settings = config["runs"], training_of(config, name)
    for other in trained_before(config, name):
        key = "start_from" if other == settings["start_from"] else "epochs_of"
        place = f"runs.{name}.training.{key}"
        here, there = (
            (training_of(config, run)["batch_size"], runs[run]["segment_length"])
            for run in (name, other)
        )
        if here != there:
            raise _wrong(
                place, other,
                "its batch_size or segment_length differ, so that an epoch has other steps; give "
                "both runs the same",
            )  # fmt: skip
        if key == "start_from" and _seen(config, name) != _seen(config, other):
            raise _wrong(
                place, other,
                "its weights have seen other coordinates, parts or classes; start from an arm of "
                "it that has the same",
            )  # fmt: skip


def _seen(config: Mapping[str, Any], name: str) -> list[Any]:
    """Return all that decides what the weights of a run have seen."""
    model = model_of(config, name)
    kept = ("coordinates", "image_size", "partition")
    return [*(model.get(key) for key in kept), training_of(config, name)["left_out"]]


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


def check_fits(config: Mapping[str, Any], study: str) -> None:
    """Refuse a study whose models do not fit the skeleton, or its trainings each other.

    Args:
        config: as ``check_config`` returns it.
        study: name of the study.

    Raises:
        InputError: names the run, and the joints that its model knows and the skeleton lacks, or
            the run from which its training cannot start.
    """
    skeleton = skeleton_of(config)
    for run in members_of(config, study):
        _check_alike(config, run)
        entry = config["runs"][run]
        missing = lacking(entry["model"], skeleton)
        reason = f"it needs joints that {skeleton.name} does not have: {', '.join(missing)}"
        try:
            side_of(entry, skeleton)
        except ValueError as error:
            missing, reason = [run], f"{error}; {skeleton.name} has others"
        if missing:
            raise _wrong(f"studies.{study}.runs", run, f"{reason}; leave the run out")


def model_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a run's model and hyperparameters, as ``models.build_model`` takes them.

    What the run's entry leaves out comes from ``architecture``, as far as the model has it;
    ``part`` in a kernel or stride becomes a number of rows or columns.
    """
    return _with_shared(config, config["runs"][name])


def _with_shared(config: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    known = shared_hyperparameters(entry["model"])
    shared = {key: value for key, value in config["architecture"].items() if key in known}
    own = {key: value for key, value in entry.items() if key not in NOT_OF_THE_MODEL}
    model = {"model": entry["model"], **shared, **own}
    if model.get("coordinates") == "frame":
        model |= {key: config["dataset"][key] for key in OF_THE_DATASET}
    side = _side_of(model, skeleton_of(config))
    for axes in ("kernel", "stride"):
        if axes in model and side is not None:
            model[axes] = extents(model[axes], side)
    return model


def _side_of(model: Mapping[str, Any], skeleton: Skeleton) -> int | None:
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


def _check_names(config: Mapping[str, Any]) -> None:
    """Refuse an entry without a model: an overlay that names a run that does not exist."""
    runs = config.get("runs")
    if not isinstance(runs, Mapping):
        return
    known = [name for name, run in runs.items() if isinstance(run, Mapping) and "model" in run]
    for name, run in runs.items():
        if isinstance(run, Mapping) and "model" not in run:
            raise _wrong(
                f"runs.{name}", run,
                f"no such run; known: {', '.join(known)}; a new one needs model, experiment "
                "and segment_length",
            )  # fmt: skip


def _check_source(dataset: Mapping[str, Any]) -> None:
    source = dataset["source"]
    for key in ("source", "server"):
        if dataset[key].startswith(REMOTE):
            refuse_secrets(f"config: dataset.{key}", dataset[key])
    if re.search(r"doi\.org/|^(DOI:|10\.\d+/)", source):
        doi = source[source.index("10.") :] if "10." in source else "<prefix>/<suffix>"
        raise _wrong("dataset.source", source, f"write a DOI as doi:{doi}")
    if (
        source == SYNTHETIC
        or source.startswith(REMOTE)
        or is_folder(Path(source))
        or is_file(Path(source))
    ):
        return
    raise _wrong(
        "dataset.source", source,
        "no such folder or archive; give an existing path, doi:..., or an http(s) address",
    )  # fmt: skip


def _shared_hyperparameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check ``architecture``: each key by the first model that has it."""
    known = {key: model for model in reversed(available()) for key in hyperparameters(model)}
    for key, value in given.items():
        if key not in known or key in OF_THE_DATASET:
            raise _wrong(f"architecture.{key}", value, f"unknown key; {nearest(key, known)}")
    return {key: _hyperparameter(known[key], "architecture", key, v) for key, v in given.items()}


def _hyperparameter(model: str, section: str, key: str, value: Any) -> Any:
    try:
        return check_hyperparameter(model, key, value)
    except ValueError as error:
        raise _wrong(f"{section}.{key}", value, str(error)) from None


def _checked_run(
    config: Mapping[str, Any], key: str, entry: Mapping[str, Any], skeleton: Skeleton
) -> dict[str, Any]:
    """Check an entry of ``runs`` by the constructor of its model."""
    if not is_model(entry["model"]):
        raise _wrong(
            f"{key}.model", entry["model"], f"no such model; one of {', '.join(available())}"
        )
    of_model = [k for k in hyperparameters(entry["model"]) if k not in OF_THE_DATASET]
    known = [*of_model, *NOT_OF_THE_MODEL]
    for unknown in set(entry) - set(known):
        raise _wrong(
            f"{key}.{unknown}", entry[unknown],
            f"{entry['model']} has no such key; {nearest(unknown, known)}",
        )  # fmt: skip
    checked = {
        name: value if name in NOT_OF_THE_MODEL
        else _hyperparameter(entry["model"], key, name, value)
        for name, value in entry.items()
    }  # fmt: skip
    if "training" in entry:
        whole = {**config["training"], **entry["training"]}
        of_run = accept(Training, whole, "config", f"{key}.training")
        checked["training"] = {name: of_run[name] for name in entry["training"]}
    for needed in ("kernel", "stride"):
        if needed in known and needed not in {*checked, *config["architecture"]}:
            raise InputError(f"config: {key}.{needed} is missing; {entry['model']} needs it")
    try:
        model = _with_shared(config, checked)
    except ValueError as error:
        raise _wrong(f"{key}.kernel", checked.get("kernel"), str(error)) from None
    for name in OF_THE_DATASET:
        if name in model and model[name] is None:
            place = key if "coordinates" in entry else "architecture"
            raise _wrong(
                f"{place}.coordinates", model["coordinates"],
                f"the size of a frame is not known; set dataset.{name} to its width and height, "
                "such as [1920, 1080]",
            )  # fmt: skip
    try:
        check_requirements(model)
    except ValueError as error:
        raise _wrong(key, entry, str(error)) from None
    side = _side_of(model, skeleton)
    if "kernel" in model and side is not None:
        try:
            tubelet_grid(model["segment_length"], model["kernel"], model["stride"], side)
        except ValueError as error:
            raise _wrong(f"{key}.kernel", model["kernel"], str(error)) from error
    for width in ("token_width", "body_part_width"):
        if model.get(width) is not None and model.get("heads") is not None:
            try:
                check_heads(model[width], model["heads"])
            except ValueError as error:
                place = key if width in entry else "architecture"
                raise _wrong(f"{place}.{width}", model[width], str(error)) from error
    return checked
