"""Refuse a configuration that cannot run, before any job: by key, value, and what to do.

Needs only what comes with Snakemake itself (YAML, pydantic): the models' hyperparameters are read
from their source, so that a clean checkout is checked before any environment is made.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bptubeformer.arms import OF_MEMBERS
from bptubeformer.config import (
    NOT_OF_THE_MODEL,
    OF_THE_DATASET,
    REMOTE,
    SYNTHETIC,
    members_of,
    model_of,
    side_of_grids,
    skeleton_of,
    trained_before,
    training_of,
    with_shared,
    written_out,
)
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
)
from bptubeformer.models.geometry import check_heads, side_of, tubelet_grid
from bptubeformer.partition import AS_IT_IS
from bptubeformer.schema import Configuration, Training
from bptubeformer.sections import accept, nearest, wrong
from bptubeformer.settings import SEARCHES, WITHOUT_GRADIENT
from bptubeformer.skeleton import COCO_17, Skeleton
from bptubeformer.stages import NOTEBOOK_RESULTS, STAGES

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
        model = with_shared(config, checked, skeleton)
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
    side = side_of_grids(model, skeleton)
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
