"""Meaning and validation of ``config.yaml``, before any job starts.

Needs only what comes with Snakemake itself (YAML, JSON Schema): the models' hyperparameters are
read from their source, so that a clean checkout is checked before any environment is made.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bptubeformer.data.addresses import refuse_secrets
from bptubeformer.data.layout import is_file, is_folder, plain
from bptubeformer.errors import InputError, shown
from bptubeformer.models import available, hyperparameters
from bptubeformer.models.geometry import GRID_OF, check_heads, tubelet_grid

SYNTHETIC = "synthetic"
"""``dataset.source`` of the demonstration dataset, made instead of acquired."""

REMOTE = ("doi:", "http://", "https://")
NOT_OF_THE_MODEL = ("model", "experiment", "training")
"""Keys of a run that are no hyperparameters of its model."""


SECTIONS = ("runs", "controls")
"""Where runs are declared: those of the paper, and those that its comparisons need besides."""


def _is_whole(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: Any) -> bool:
    return _is_whole(_, value) or (isinstance(value, float) and math.isfinite(value))


VALIDATOR = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    # JSON Schema takes 3.0 for a whole number, which becomes "3.0" in a file name, and knows
    # nothing of NaN and infinity, which YAML has.
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_whole, "number": _is_number}
    ),
)


def check_config(config: Mapping[str, Any], schema: Path) -> None:
    """Refuse a configuration that cannot run.

    Args:
        config: ``config.yaml`` with everything laid over it.
        schema: the JSON schema, ``workflow/schemas/config.schema.yaml``.

    Raises:
        InputError: one line: the key, its value, and what to do.
    """
    _check_names(config)
    validator = VALIDATOR(yaml.safe_load(Path(schema).read_text(encoding="utf-8")))
    fault = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if fault is not None:
        raise InputError(_explain(fault))
    _check_source(config["dataset"])
    for name, categories in config["categories"].items():
        if len(set(map(plain, categories))) < len(categories):
            raise _wrong(
                f"categories.{name}", categories,
                "two names are one but for case, spaces, hyphens and underscores; rename one",
            )  # fmt: skip
    for name in declared(config):
        _check_run(config, name)
    for name in config["complexity"]["runs"]:
        if name in declared(config):
            raise _wrong(
                f"complexity.runs.{name}", config["complexity"]["runs"][name],
                "a run of this name is trained; rename one",
            )  # fmt: skip
        _check_run({**config, "controls": config["complexity"]["runs"]}, name)
    figures = config["figures"]
    if figures["run"] not in config["runs"]:
        raise _wrong(
            "figures.run", figures["run"], f"no such run; one of {', '.join(config['runs'])}"
        )
    if config["runs"][figures["run"]]["model"] != "bptubeformer":
        raise _wrong(
            "figures.run", figures["run"],
            "the attention figures need tubelets of body parts; give a run of the model "
            "bptubeformer",
        )  # fmt: skip
    if figures["fold"] >= config["split"]["folds"]:
        raise _wrong(
            "figures.fold", figures["fold"],
            f"folds are counted from 0; use at most {config['split']['folds'] - 1}",
        )  # fmt: skip


def declared(config: Mapping[str, Any]) -> dict[str, Any]:
    """All runs by name: those of the paper, then the controls."""
    return {name: run for section in SECTIONS for name, run in config[section].items()}


def model_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's model and hyperparameters, as ``models.build_model`` takes them.

    What the run's entry leaves out comes from ``architecture``, as far as the model has it.
    """
    entry = declared(config)[name]
    known = hyperparameters(entry["model"])
    shared = {key: value for key, value in config["architecture"].items() if key in known}
    own = {key: value for key, value in entry.items() if key not in NOT_OF_THE_MODEL}
    return {"model": entry["model"], **shared, **own}


def described(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the tables say of each run: experiment, model and hyperparameters, in one order."""
    return {
        name: dict(sorted({"experiment": run["experiment"], **model_of(config, name)}.items()))
        for name, run in declared(config).items()
    }


def counted(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ``described`` runs for the tables of complexity: all runs, and those only counted."""
    sections = {**config["controls"], **config["complexity"]["runs"]}
    return described({**config, "controls": sections})


def told(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as others may see it: where data stands on this machine is our business."""
    source = config["dataset"]["source"]
    if source != SYNTHETIC and not source.startswith(REMOTE):
        source = Path(source).name
    return {**config, "dataset": {**config["dataset"], "source": source}}


def judged(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as verdicts are given it: the same on any machine, and in one order."""
    anywhere = {**told(config), "device": "auto", "slots_per_gpu": 1}
    return json.loads(json.dumps(anywhere, sort_keys=True))


def training_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run's training settings: those of all runs, and what its entry changes."""
    return {**config["training"], **declared(config)[name].get("training", {})}


EVERY_PROTOCOL = ("as-published", "trajectory", "video")
"""Protocols of the leakage table."""


def trainings_of(config: Mapping[str, Any], name: str) -> int:
    """How many models a run trains: folds, seeds, protocols, and those of the leakage table."""
    protocols = set(config["protocols"])
    if name in config["leakage"]["runs"]:
        protocols |= set(EVERY_PROTOCOL)
    return len(protocols) * config["split"]["folds"] * len(config["seeds"])


def settle_runs(config: Mapping[str, Any], base: Path) -> dict[str, dict[str, Any]]:
    """The sections that name runs, with what overlays did to them put in order.

    Runs stand in the order of ``config.yaml``, then those that only an overlay names: Snakemake
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
    """Runs that are named must be known: known names stand in the message."""
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
    if len(set(known)) < len(known):
        twice = next(name for name in known if known.count(name) > 1)
        raise InputError(f"config: {twice} stands in runs and in controls; rename one of them")


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


def _check_run(config: Mapping[str, Any], name: str) -> None:
    section = next(section for section in SECTIONS if name in config[section])
    key, entry = f"{section}.{name}", config[section][name]
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
            grid = GRID_OF.get(entry["model"])
            if grid is not None:
                tubelet_grid(model["segment_length"], model["kernel"], model["stride"], grid)
        except ValueError as error:
            raise _wrong(f"{key}.kernel", model["kernel"], str(error)) from error
    for width in ("token_width", "body_part_width"):
        if model.get(width) is not None:
            try:
                check_heads(model[width], model["heads"])
            except ValueError as error:
                place = key if width in entry else "architecture"
                raise _wrong(f"{place}.{width}", model[width], str(error)) from error


def _explain(fault: jsonschema.ValidationError) -> str:
    schema: Mapping[str, Any] = fault.schema  # type: ignore[assignment]  # set on every real fault
    wanted: Any = fault.validator_value
    instance: Any = fault.instance
    path = ".".join(map(str, fault.absolute_path))
    if fault.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = next(key for key in instance if key not in known)
        where = f"{path}.{unknown}" if path else str(unknown)
        return str(_wrong(where, instance[unknown], f"unknown key; {_nearest(unknown, known)}"))
    if fault.validator == "required":
        missing = next(key for key in wanted if key not in instance)
        where = f"{path}.{missing}" if path else missing
        return f"config: {where} is missing; add it (config.yaml shows every key)"
    expected = schema.get("description", f"{fault.validator}: {wanted}")
    return str(_wrong(path or "the configuration", instance, f"expected {expected}"))


def _wrong(key: str, value: Any, remedy: str) -> InputError:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
    if "\n" in text:
        text = json.dumps(value)
    return InputError(f"config: {shown(key)} = {text}: {remedy}")


def _nearest(unknown: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(str(unknown), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
