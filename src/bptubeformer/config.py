"""Meaning and validation of ``config.yaml``, before any job starts.

Needs only what comes with Snakemake itself (YAML, JSON Schema): the models' hyperparameters are
read from their source, so that a clean checkout is checked before any environment is made.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bptubeformer.errors import InputError
from bptubeformer.models import available, hyperparameters
from bptubeformer.models.geometry import check_heads, tubelet_grid

SYNTHETIC = "synthetic"
"""``dataset.source`` of the demonstration dataset, made instead of acquired."""

REMOTE = ("doi:", "http://", "https://")
NOT_OF_THE_MODEL = ("model", "experiment", "training")
"""Keys of a run that are no hyperparameters of its model."""


def check_config(config: Mapping[str, Any], schema: Path) -> None:
    """Refuse a configuration that cannot run.

    Args:
        config: ``config.yaml`` with everything laid over it.
        schema: the JSON schema, ``workflow/schemas/config.schema.yaml``.

    Raises:
        InputError: one line: the key, its value, and what to do.
    """
    validator = jsonschema.Draft202012Validator(
        yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    )
    fault = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if fault is not None:
        raise InputError(_explain(fault))
    _check_source(config["dataset"])
    for name in config["runs"]:
        _check_run(config, name)
    figures = config["figures"]
    if figures["run"] not in config["runs"]:
        raise _wrong(
            "figures.run", figures["run"], f"no such run; one of {', '.join(config['runs'])}"
        )
    if "kernel" not in model_of(config, figures["run"]):
        raise _wrong(
            "figures.run",
            figures["run"],
            "the attention figures need a run with tubelets of body parts; give one with a kernel",
        )
    if figures["fold"] >= config["split"]["folds"]:
        raise _wrong(
            "figures.fold", figures["fold"],
            f"folds are counted from 0; use at most {config['split']['folds'] - 1}",
        )  # fmt: skip


def model_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's model and hyperparameters, as ``models.build_model`` takes them.

    What the run's entry leaves out comes from ``architecture``, as far as the model has it.
    """
    entry = config["runs"][name]
    known = hyperparameters(entry["model"])
    shared = {key: value for key, value in config["architecture"].items() if key in known}
    own = {key: value for key, value in entry.items() if key not in NOT_OF_THE_MODEL}
    return {"model": entry["model"], **shared, **own}


def training_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's training settings: those of all runs, and what its entry changes."""
    return {**config["training"], **config["runs"][name].get("training", {})}


def runs_in_order(config: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The runs in the order of ``config.yaml``, then those that only an overlay names.

    Snakemake puts what an overlay touches first, and tables would follow that.
    """
    listed = yaml.safe_load(Path(base).read_text(encoding="utf-8"))["runs"]
    names = [*(name for name in listed if name in config["runs"]), *config["runs"]]
    return {name: config["runs"][name] for name in names}


def without_left_out(runs: Mapping[str, Any]) -> dict[str, Any]:
    """The runs but those that an overlay sets to null, to leave them out."""
    return {name: run for name, run in runs.items() if run is not None}


def categories_of(config: Mapping[str, Any]) -> list[str] | None:
    """The categories a dataset must have; None where they are read from its folders."""
    return config["categories"].get(config["dataset"]["name"])


def _check_source(dataset: Mapping[str, Any]) -> None:
    source = dataset["source"]
    if re.search(r"doi\.org/|^(DOI:|10\.\d+/)", source):
        doi = source[source.index("10.") :] if "10." in source else "<prefix>/<suffix>"
        raise _wrong("dataset.source", source, f"write a DOI as doi:{doi}")
    if source == SYNTHETIC or source.startswith(REMOTE) or Path(source).exists():
        return
    raise _wrong(
        "dataset.source", source,
        "no such folder or archive; give an existing path, doi:..., or an http(s) address",
    )  # fmt: skip


def _check_run(config: Mapping[str, Any], name: str) -> None:
    key, entry = f"runs.{name}", config["runs"][name]
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
    model = model_of(config, name)
    for needed in ("kernel", "stride"):
        if needed in known and needed not in model:
            raise InputError(f"config: {key}.{needed} is missing; {entry['model']} needs it")
    if "kernel" in model:
        try:
            tubelet_grid(model["segment_length"], model["kernel"], model["stride"])
        except ValueError as error:
            raise _wrong(f"{key}.kernel", model["kernel"], str(error)) from error
    if "token_width" in model and "heads" in model:
        try:
            check_heads(model["token_width"], model["heads"])
        except ValueError as error:
            place = key if "token_width" in entry else "architecture"
            raise _wrong(f"{place}.token_width", model["token_width"], str(error)) from error


def _explain(fault: jsonschema.ValidationError) -> str:
    path = ".".join(map(str, fault.absolute_path))
    if fault.validator == "additionalProperties":
        known = list(fault.schema.get("properties", {}))
        unknown = next(key for key in fault.instance if key not in known)
        where = f"{path}.{unknown}" if path else str(unknown)
        return str(
            _wrong(where, fault.instance[unknown], f"unknown key; {_nearest(unknown, known)}")
        )
    if fault.validator == "required":
        missing = next(key for key in fault.validator_value if key not in fault.instance)
        where = f"{path}.{missing}" if path else missing
        return f"config: {where} is missing; add it (config.yaml shows every key)"
    expected = fault.schema.get("description", f"{fault.validator}: {fault.validator_value}")
    return str(_wrong(path or "the configuration", fault.instance, f"expected {expected}"))


def _wrong(key: str, value: Any, remedy: str) -> InputError:
    shown = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
    return InputError(f"config: {key} = {shown}: {remedy}")


def _nearest(unknown: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(str(unknown), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
