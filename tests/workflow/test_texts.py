"""Names and labels that look like something else, from the source to report, crate and check."""

import csv
import html.parser
import re
import shutil

import pandas as pd
import pytest
import yaml

from bptubeformer.cli import main
from bptubeformer.data.synthetic import write_dataset
from bptubeformer.evaluation.tables import TEXTS, read_table
from bptubeformer.texts import FORMULA, NUMBER
from checkout import SMALL, base_config, clone, snakemake
from ugly import LABELS, NAMES

RUN = "BPT-k8x3x3"
LABEL = " ".join(LABELS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of one run on ugly names, in a long path, with a long TMPDIR and without a HOME."""
    place = tmp_path_factory.mktemp("ugly")
    source = place / "data {x}"
    write_dataset(place / "named", seed=6, size=0.6)
    for name, category in zip(NAMES, sorted((place / "named" / "Trajectories").iterdir()),
                              strict=True):  # fmt: skip
        for number, video in enumerate(sorted(category.iterdir())):
            people = source / name / NAMES[number]
            people.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(video, people)
            for person, file in enumerate(sorted(people.iterdir())):
                file.rename(people / f"{NAMES[-person]}.csv")
    checkout = clone(place / ("Prüfung ä " + "x" * 90) / ("y" * 90) / "bptubeformer")
    study = {"question": LABEL, "runs": [RUN], "baseline": RUN, "shown": RUN}
    config = base_config()
    (checkout / "config.yaml").write_text(
        yaml.safe_dump(
            config
            | {
                "runs": {RUN: {**config["runs"][RUN], "experiment": LABEL}},
                "studies": {"one": study},
            }
        )
    )
    overlay = SMALL | {
        "dataset": {"name": "ugly", "source": str(source)},
        "protocols": ["video"],
        "categories": {"ugly": list(NAMES)},
        "figures": {"category": NAMES[0], "per_class": 20},
    }
    del overlay["synthetic"]
    (checkout / "ugly.yaml").write_text(yaml.safe_dump(overlay))
    temporary = place / ("t" * 60) / ("u" * 70)
    temporary.mkdir(parents=True)
    environment = {"TMPDIR": str(temporary), "LANG": "C", "LC_ALL": "C", "HOME": "/nowhere"}
    done = snakemake(checkout, "--configfile", "ugly.yaml", "--", "all", "crate", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / "results" / "ugly", done


def test_every_table_has_the_names_as_they_are(made):
    results, _ = made
    tables = results / "one" / "tables"
    assert read_table(tables / "recalls.csv")["category"].unique().tolist() == list(NAMES)
    assert set(read_table(tables / "counts.csv")["video"]) <= set(NAMES)
    assert read_table(tables / "accuracy.csv")["experiment"].tolist() == [LABEL]
    for path in tables.glob("*.csv"):
        table = read_table(path)
        for name in set(table.columns) & TEXTS:
            assert {type(text) for text in table[name].dropna()} <= {str}, (path, name)


def test_no_cell_is_executed_by_a_spreadsheet(made):
    results, _ = made
    paths = [path for path in results.rglob("*.csv") if "raw" not in path.parts]
    assert len(paths) > 10
    for path in paths:
        for cells in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            for cell in cells:
                assert not FORMULA.match(cell) or cell[0] == "'" or _is_number(cell), (path, cell)


def _is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell)) or not pd.isna(pd.to_numeric(cell, errors="coerce"))


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = set()
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        for name, value in attributes:
            assert not name.startswith("on")
            assert name not in ("src", "href") or not value.startswith(("http", "javascript"))

    def handle_data(self, data):
        self.text += data


def test_no_page_has_a_tag_or_an_address_of_theirs(made):
    results, _ = made
    study = results / "one"
    for path in study.glob("notebooks/*.html"):
        page = Tags()
        page.feed(path.read_text(encoding="utf-8"))
        assert "b" not in page.found
    for path in [*study.glob("tables/*.html"), *study.glob("*.html")]:
        page = Tags()
        page.feed(path.read_text(encoding="utf-8"))
        assert not page.found & {"img", "b", "em", "a", "del", "script"}, path
    assert LABEL in " ".join(page.text.split())
    accuracy = Tags()
    accuracy.feed((study / "tables" / "accuracy.html").read_text(encoding="utf-8"))
    assert LABEL in accuracy.text
    assert "strong" not in accuracy.found


def test_every_figure_shows_the_names(made):
    results, _ = made
    for name in ("confusion", "tsne"):
        text = (results / "one" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        page = Tags()
        page.feed(text)
        for label in NAMES:
            assert re.sub(r"\s+", "", label) in re.sub(r"[\s\u200b]+", "", page.text), (name, label)


def test_the_terminal_shows_no_line_of_theirs(made):
    _, done = made
    assert f"Acquire {done.args[-1]}" not in done.stdout
    assert "\x1b" not in done.stdout


def test_a_crate_of_them_proves_itself(made, capsys):
    results, _ = made
    main(["check", str(results / "crate.zip")])
    assert "every table and verdict is what the predictions make" in capsys.readouterr().out


def test_the_report_is_made(made):
    checkout = made[0].parents[1]
    done = snakemake(
        checkout, "--configfile", "ugly.yaml", "--report", "report.html", "--", "all", cores=None
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (checkout / "report.html").stat().st_size > 1_000_000
