"""Write what is made from the code: the configuration's page and schema, the picture of the rules.

    uv run python docs/reference.py

The picture needs ``dot`` of Graphviz; tests compare all with the code and need nothing.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import networkx
import yaml

from bptubeformer.arms import AT
from bptubeformer.config import OF_THE_DATASET, members_of, written_out
from bptubeformer.models import available, base_of, kinds_of
from bptubeformer.schema import Configuration
from bptubeformer.stages import TABLES

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
CONFIGURATION, PICTURE = HERE / "configuration.md", HERE / "pictures" / "rules.svg"
RUN_PAGE = HERE / "runs.md"
SCHEMA = CHECKOUT / "workflow" / "schemas" / "config.schema.yaml"
STAGES = {
    "data": "#cfe3f5", "training": "#f9d5c2", "evaluation": "#d6ecd2", "figures": "#e6dcf2",
    "provenance": "#f5d3e0",
}  # fmt: skip
"""Colour of the rules of each file of workflow/rules, in the picture."""
FIGURES = "draw_figures"
FEW = 6
"""So many runs are named one by one."""
ASKING = ("comparators", "uncertainty", "identity")
"""Studies that have tables which the first has not."""
MODELS = CHECKOUT / "src" / "bptubeformer" / "models"
INTRODUCTION = """\
# The configuration, key by key

Made from `src/bptubeformer/schema.py`, the models and `config.yaml` by `docs/reference.py`; a test
compares them. Other keys are refused. Lay a file of your own over `config.yaml`:
`uv run snakemake --cores all --configfile mine.yaml`.

A source is the section or table of the paper that states the value, or "not stated" where
[fidelity.md](fidelity.md) says what was chosen and why.
"""
STUDIES = """\
## studies

Studies by name. The keys of each, with the values of the paper's; `null` leaves a study out.
"""
RUNS = """\
## runs

All runs by name; `studies` says for what they are trained. `null` leaves a run out. Every run has

| key | expected |
|---|---|
| `model` | {models} |
| `experiment` | the name, in tables and figures, of the setting that it varies |
| `segment_length` | frames of a segment |
| `coordinates` | the coordinates that its model is given; left out: those of `architecture` |
| `training` | settings of `training` that it changes |

and the hyperparameters of its model. Missing ones come from `architecture`, if the model has them.
"""


RUN_LIST = """\
# All runs

Made from `config.yaml` by `docs/reference.py`. A run `<run>@<arm>` is the run with what the arm
changes. [fidelity.md](fidelity.md) has the choices of each. `paper (counted)`: the study has
its MACs and parameters, and does not train it.

{count} runs:

| run | source and reason | model | studies |
|---|---|---|---|
"""
ARM_LIST = """
Arms:

| arm | changes | runs with this arm |
|---|---|---|
"""


def run_list() -> str:
    """The page that lists every run and arm, as Markdown."""
    text = (CHECKOUT / "config.yaml").read_text(encoding="utf-8")
    config, comments = yaml.safe_load(text), dict(_comments(text))
    whole = written_out(config)
    lines = [RUN_LIST.format(count=len(config["runs"])).rstrip()]
    for name, run in config["runs"].items():
        studies = ", ".join(_studies_of(whole, name))
        lines.append(f"| {name} | {comments[f'runs.{name}']} | `{run['model']}` | {studies} |")
    lines.append(ARM_LIST.rstrip())
    for arm, changes in config["arms"].items():
        having = dict.fromkeys(
            run for study in config["studies"] for run in members_of(whole, study)
            if arm in run.split(AT)[1:]
        )  # fmt: skip
        shown = yaml.safe_dump(changes, default_flow_style=True, width=1000).strip()
        named = ", ".join(having) if len(having) <= FEW else f"{len(having)} runs"
        lines.append(f"| `{arm}` | `{shown}` | {named} |")
    return "\n".join(lines) + "\n"


def _studies_of(config: Mapping[str, Any], run: str) -> Iterator[str]:
    """Names of the studies that have a run, with a note where they only count its operations."""
    for study in config["studies"]:
        if run in members_of(config, study):
            yield study
        elif run in members_of(config, study, "counted"):
            yield f"{study} (counted)"


def configuration() -> str:
    """The page about the configuration, as Markdown."""
    text = (CHECKOUT / "config.yaml").read_text(encoding="utf-8")
    config, comments = yaml.safe_load(text), dict(_comments(text))
    schema = json_schema()
    lines, single = [INTRODUCTION], ["## Single values\n", *_head()]
    for name, section in schema["properties"].items():
        if name == "runs":
            continue
        if name == "studies":
            first, study = next(iter(config[name].items()))
            lines += [STUDIES, *_head()]
            for key, of_key in schema["$defs"]["StudySettings"]["properties"].items():
                place = f"{name}.<study>.{key}"
                source = {place: comments.get(f"{name}.{first}.{key}", "")}
                lines.append(_row(place, study.get(key), of_key, source, schema))
            lines.append("")
            continue
        inside = _resolved(section, schema).get("properties")
        if inside is None:
            single.append(_row(name, config.get(name), section, comments, schema))
            continue
        lines += [f"## {name}\n", *_head()]
        for key, of_key in inside.items():
            if name == "architecture" and key not in config[name]:
                continue
            value = config.get(name, {}).get(key)
            lines.append(_row(f"{name}.{key}", value, of_key, comments, schema))
        lines.append("")
    lines += [*single, ""]
    models = {name: dict(_hyperparameters(MODELS / f"{name}.py")) for name in available()}
    lines.append(RUNS.format(models=", ".join(f"`{name}`" for name in models)))
    for name, found in models.items():
        lines.append(f"### {name}\n")
        base = base_of(name)
        if base:
            lines.append(f"All keys of `{base.stem}`{', and:' if found else '.'}\n")
        if found:
            lines += ["| key | meaning |", "|---|---|"]
            lines += [f"| `{key}` | {meaning} |" for key, meaning in found.items()]
            lines.append("")
    return "\n".join(lines)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of ``config.yaml``, hyperparameters of all models included."""
    schema = Configuration.model_json_schema()
    shared = {
        key: kind.json_schema()
        for model in reversed(available())
        for key, kind in kinds_of(model).items()
        if key not in OF_THE_DATASET
    }
    for section in ("Architecture", "Run"):
        described = schema["$defs"][section]
        described["properties"] = {**shared, **described.get("properties", {})}
        described["additionalProperties"] = False
    return schema


def schema_file() -> str:
    """Return the text of the file with the JSON schema."""
    head = "# Made from src/bptubeformer/schema.py and the models by docs/reference.py.\n"
    return head + yaml.safe_dump(json_schema(), sort_keys=False, width=100)


def _head() -> list[str]:
    return ["| key | in config.yaml | expected | source, or what it is |", "|---|---|---|---|"]


def _row(
    key: str,
    value: Any,
    of_key: Mapping[str, Any],
    comments: Mapping[str, str],
    schema: Mapping[str, Any],
) -> str:
    expected = _expected(_resolved(of_key, schema))
    shown = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
    if len(shown) > 60:
        shown = "see there"
    given = "" if value is None and key not in comments else f"`{shown}`"
    cells = [f"`{key}`", given, expected, comments.get(key, "")]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _expected(of_key: Mapping[str, Any]) -> str:
    if of_key.get("type") == "null":
        return "null"
    if "description" in of_key:
        return str(of_key["description"])
    return " or ".join(_expected(one) for one in of_key["anyOf"])


def _resolved(of_key: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = of_key.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else of_key


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """Key of each line of ``config.yaml`` that ends in a comment, and the comment."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = re.match(r"( *)([\w.-]+):(?: [^#]*)?(?:# (.*))?$", line)
        if found:
            indent, key, comment = len(found[1]), found[2], found[3]
            above = [(depth, name) for depth, name in above if depth < indent]
            if comment:
                yield ".".join([*(name for _, name in above), key]), comment
            above.append((indent, key))


def _hyperparameters(path: Path) -> Iterator[tuple[str, str]]:
    """Return the arguments of a model, with their meaning from the docstring of its class."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        text = ast.get_docstring(node) if isinstance(node, ast.ClassDef) else None
        if text and ("    classes: " in text or "    of_the_base: " in text):
            arguments = text.partition("Args:\n")[2].partition("\n\n")[0]
            for name, meaning in re.findall(
                r"^    (\w+): (.*(?:\n      .*)*)", arguments, re.MULTILINE
            ):
                if name not in ("classes", "of_the_base"):
                    yield name, " ".join(meaning.replace("``", "`").split())


def rules() -> networkx.DiGraph:
    """Rules as nodes, with an edge where one needs another, unless a longer way says so.

    The rules of all notebooks are one node; so are the targets of studies.
    """
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--", "all", *ASKING,
               "cost", "crate"]  # fmt: skip
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    labels = re.findall(r"(\d+)\[label = \"(\w+)\"", done.stdout)
    names = {
        number: "all" if label in ASKING else re.sub("^draw_.*", FIGURES, label)
        for number, label in labels
    }
    edges = re.findall(r"(\d+) -> (\d+)", done.stdout)
    graph = networkx.DiGraph((names[a], names[b]) for a, b in edges)
    # A training may need another one.
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    return networkx.transitive_reduction(graph)


def stage_of() -> dict[str, str]:
    """File of workflow/rules of each rule."""
    found = {table.name: "evaluation" for table in TABLES}
    found[FIGURES] = "figures"
    for path in sorted((CHECKOUT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^ *rule (\w+):", text, re.MULTILINE):
            found[name] = path.stem
    return found


def draw(graph: networkx.DiGraph) -> str:
    """The picture of the rules as SVG, drawn by Graphviz."""
    stages = stage_of()
    lines = [
        "digraph rules {",
        "graph [rankdir=LR, bgcolor=white, nodesep=0.15, ranksep=0.35, fontname=Helvetica];",
        'node [shape=box, style="rounded,filled", fontname=Helvetica, fontsize=11, height=0.3];',
        'edge [color="#888888", arrowsize=0.6];',
    ]
    for name in sorted(graph):
        colour = STAGES.get(stages.get(name, ""), "#ffffff")
        lines.append(f'{name} [fillcolor="{colour}"];')
    lines += [f"{a} -> {b};" for a, b in sorted(graph.edges)]
    source = "\n".join([*lines, "}"])
    done = subprocess.run(
        ["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True
    )
    return done.stdout


def drawn(svg: str) -> set[tuple[str, str]]:
    """The edges of a picture that ``draw`` drew."""
    return set(re.findall(r"<title>(\w+)(?:&#45;|-)&gt;(\w+)</title>", svg))


if __name__ == "__main__":
    CONFIGURATION.write_text(configuration(), encoding="utf-8")
    RUN_PAGE.write_text(run_list(), encoding="utf-8")
    SCHEMA.write_text(schema_file(), encoding="utf-8")
    PICTURE.write_text(draw(rules()), encoding="utf-8")
