"""Meaning and validation of ``config.yaml``, before any job starts.

Needs only what comes with Snakemake itself (YAML, pydantic): the models' hyperparameters are read
from their source, so that a clean checkout is checked before any environment is made.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bptubeformer.data.addresses import refuse_secrets
from bptubeformer.data.layout import is_file, is_folder, plain
from bptubeformer.errors import InputError, shown
from bptubeformer.kinds import PROTOCOLS
from bptubeformer.models import available, check_hyperparameter, hyperparameters
from bptubeformer.models.geometry import GRID_OF, check_heads, tubelet_grid
from bptubeformer.schema import Configuration, Section, Training

SYNTHETIC = "synthetic"
"""``dataset.source`` of the demonstration dataset, made instead of acquired."""

REMOTE = ("doi:", "http://", "https://")
NOT_OF_THE_MODEL = ("model", "experiment", "training")
"""Keys of a run that are not hyperparameters of its model."""


SECTIONS = ("runs", "controls")
"""Where runs are declared: those of the paper, and those that its comparisons need besides."""


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration that can run: as given, with numbers where texts such as 1e-3 stood.

    Args:
        config: ``config.yaml`` with everything laid over it.

    Raises:
        InputError: one line: the key, its value, and what to do.
    """
    _check_names(config)
    checked = _checked(Configuration, config, "")
    _check_source(checked["dataset"])
    for name, categories in checked["categories"].items():
        if len(set(map(plain, categories))) < len(categories):
            raise _wrong(
                f"categories.{name}", categories,
                "two names are one but for case, spaces, hyphens and underscores; rename one",
            )  # fmt: skip
    checked["architecture"] = _shared_hyperparameters(checked["architecture"])
    sections = {section: checked[section] for section in SECTIONS}
    sections["complexity.runs"] = checked["complexity"]["runs"]
    for section, runs in sections.items():
        for name in runs:
            runs[name] = _checked_run(checked, f"{section}.{name}", runs[name])
    seen: dict[str, str] = {}
    for section, runs in sections.items():
        for name in runs:
            if name.lower() in seen:
                raise _wrong(
                    f"{section}.{name}", runs[name],
                    f"{seen[name.lower()]} has the same name (case is ignored); rename one",
                )  # fmt: skip
            seen[name.lower()] = f"{section}.{name}"
    figures = checked["figures"]
    if figures["run"] not in checked["runs"]:
        raise _wrong(
            "figures.run", figures["run"], f"no such run; one of {', '.join(checked['runs'])}"
        )
    if checked["runs"][figures["run"]]["model"] != "bptubeformer":
        raise _wrong(
            "figures.run", figures["run"],
            "the attention figures need tubelets of body parts; give a run of the model "
            "bptubeformer",
        )  # fmt: skip
    if figures["fold"] >= checked["split"]["folds"]:
        raise _wrong(
            "figures.fold", figures["fold"],
            f"folds are counted from 0; use at most {checked['split']['folds'] - 1}",
        )  # fmt: skip
    return checked


def declared(config: Mapping[str, Any]) -> dict[str, Any]:
    """All runs by name: those of the paper, then the controls."""
    return {name: run for section in SECTIONS for name, run in config[section].items()}


def model_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's model and hyperparameters, as ``models.build_model`` takes them.

    What the run's entry leaves out comes from ``architecture``, as far as the model has it.
    """
    return _with_shared(config, declared(config)[name])


def _with_shared(config: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    known = hyperparameters(entry["model"])
    shared = {key: value for key, value in config["architecture"].items() if key in known}
    own = {key: value for key, value in entry.items() if key not in NOT_OF_THE_MODEL}
    return {"model": entry["model"], **shared, **own}


def described(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the columns of the tables for each run: experiment, model, hyperparameters, sorted."""
    return {
        name: dict(sorted({"experiment": run["experiment"], **model_of(config, name)}.items()))
        for name, run in declared(config).items()
    }


def counted(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ``described`` runs for the tables of complexity: all runs, and those only counted."""
    sections = {**config["controls"], **config["complexity"]["runs"]}
    return described({**config, "controls": sections})


def told(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without local paths, safe to publish."""
    source = config["dataset"]["source"]
    if source != SYNTHETIC and not source.startswith(REMOTE):
        source = Path(source).name
    return {**config, "dataset": {**config["dataset"], "source": source}}


def judged(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as verdicts are given it: the same on any machine, and in one order."""
    training = {**config["training"], "checkpoint_seconds": 0}
    anywhere = {**told(config), "device": "auto", "slots_per_gpu": 1, "training": training}
    return json.loads(json.dumps(anywhere, sort_keys=True))


def training_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's training settings: those of all runs, and what its entry changes.

    Without the interval of checkpoints, which changes no result.
    """
    settings = {**config["training"], **declared(config)[name].get("training", {})}
    return {key: value for key, value in settings.items() if key != "checkpoint_seconds"}


def trainings_of(config: Mapping[str, Any], name: str) -> int:
    """Count the models of a run: folds, seeds, protocols, and those of the leakage table."""
    protocols = set(config["protocols"])
    if name in config["leakage"]["runs"]:
        protocols |= set(PROTOCOLS)
    return len(protocols) * config["split"]["folds"] * len(config["seeds"])


def settle_runs(config: Mapping[str, Any], base: Path) -> dict[str, dict[str, Any]]:
    """The sections that name runs, with what overlays did to them put in order.

    Runs are in the order of ``config.yaml``, then those that only an overlay names: Snakemake
    puts what an overlay touches first, and tables would follow that. Runs that an overlay sets to
    null are left out, also where ``leakage`` names them.

    Args:
        config: ``config.yaml`` with everything laid over it.
        base: ``config.yaml``.

    Raises:
        InputError: a run that there is not is left out or named.
    """
    for section in (*SECTIONS, "leakage", "statistics"):
        if not isinstance(config.get(section), Mapping):
            raise _wrong(section, config.get(section), "expected a mapping")
    if not isinstance(config["leakage"].get("runs"), list):
        raise _wrong("leakage.runs", config["leakage"].get("runs"), "expected a list of runs")
    listed = yaml.safe_load(Path(base).read_text(encoding="utf-8"))
    settled: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        names = [*(n for n in listed[section] if n in config[section]), *config[section]]
        settled[section] = {n: config[section][n] for n in names if config[section][n] is not None}
    known = [
        *declared(listed),
        *(name for name in declared(settled) if name not in declared(listed)),
    ]
    named = {f"{s}.{name}": name for s in SECTIONS for name in config[s] if not config[s][name]}
    named |= {f"leakage.runs.{i}": name for i, name in enumerate(config["leakage"]["runs"])}
    for key, name in named.items():
        if name not in known:
            value = None if key.startswith(SECTIONS) else name
            raise _wrong(key, value, f"no such run; known: {', '.join(known)}")
    baseline = config["statistics"].get("baseline")
    papers = list(dict.fromkeys([*listed["runs"], *settled["runs"]]))
    if baseline not in papers:
        raise _wrong(
            "statistics.baseline", baseline, f"not under runs; known there: {', '.join(papers)}"
        )
    leakage = [name for name in config["leakage"]["runs"] if name in declared(settled)]
    return {**settled, "leakage": {"runs": leakage}}


def categories_of(config: Mapping[str, Any]) -> list[str] | None:
    """The categories a dataset must have; None where they are read from its folders."""
    return config["categories"].get(config["dataset"]["name"])


def _check_names(config: Mapping[str, Any]) -> None:
    """Refuse an entry without a model: an overlay that names a run that does not exist."""
    sections = {s: config[s] for s in SECTIONS if isinstance(config.get(s), Mapping)}
    known = [
        name
        for runs in sections.values()
        for name, run in runs.items()
        if isinstance(run, Mapping) and "model" in run
    ]
    for section, runs in sections.items():
        for name, run in runs.items():
            if isinstance(run, Mapping) and "model" not in run:
                raise _wrong(
                    f"{section}.{name}", run,
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
        if key not in known:
            raise _wrong(f"architecture.{key}", value, f"unknown key; {_nearest(key, known)}")
    return {key: _hyperparameter(known[key], "architecture", key, v) for key, v in given.items()}


def _hyperparameter(model: str, section: str, key: str, value: Any) -> Any:
    try:
        return check_hyperparameter(model, key, value)
    except ValueError as error:
        raise _wrong(f"{section}.{key}", value, str(error)) from None


def _checked_run(config: Mapping[str, Any], key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Check an entry of ``runs`` or ``controls`` by the constructor of its model."""
    if entry["model"] not in available():
        raise _wrong(
            f"{key}.model", entry["model"], f"no such model; one of {', '.join(available())}"
        )
    known = [*hyperparameters(entry["model"]), *NOT_OF_THE_MODEL]
    for unknown in set(entry) - set(known):
        raise _wrong(
            f"{key}.{unknown}", entry[unknown],
            f"{entry['model']} has no such key; {_nearest(unknown, known)}",
        )  # fmt: skip
    checked = {
        name: value if name in NOT_OF_THE_MODEL
        else _hyperparameter(entry["model"], key, name, value)
        for name, value in entry.items()
    }  # fmt: skip
    if "training" in entry:
        whole = {**config["training"], **entry["training"]}
        of_run = _checked(Training, whole, f"{key}.training")
        checked["training"] = {name: of_run[name] for name in entry["training"]}
    model = _with_shared(config, checked)
    for needed in ("kernel", "stride"):
        if needed in known and needed not in model:
            raise InputError(f"config: {key}.{needed} is missing; {entry['model']} needs it")
    if "kernel" in model:
        try:
            grid = GRID_OF.get(entry["model"])
            if grid is not None:
                tubelet_grid(model["segment_length"], model["kernel"], model["stride"], grid)
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


def _checked(description: type[Section], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a section as its description accepts it, and only the keys that were given.

    Raises:
        InputError: names the outermost key that is wrong.
    """
    try:
        accepted = description.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        fault = min(faults, key=lambda fault: len(fault["loc"]))
        raise _explained(description, fault, place) from None
    return accepted.model_dump(mode="json", exclude_unset=True)


def _explained(description: type[Section], fault: Any, place: str) -> InputError:
    parts = [str(part) for part in fault["loc"] if part != "[key]"]
    where = ".".join([*([place] if place else []), *parts]) or "the configuration"
    if fault["type"] == "missing":
        return InputError(f"config: {where} is missing; add it (config.yaml shows every key)")
    if fault["type"] == "extra_forbidden":
        for part in parts[:-1]:
            description = description.model_fields[part].annotation  # type: ignore[assignment]
        known = description.model_fields
        return _wrong(where, fault["input"], f"unknown key; {_nearest(parts[-1], known)}")
    return _wrong(where, fault["input"], fault["msg"])


def _wrong(key: str, value: Any, remedy: str) -> InputError:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
    if "\n" in text:
        text = json.dumps(value)
    return InputError(f"config: {shown(key)} = {text}: {remedy}")


def _nearest(unknown: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(str(unknown), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
