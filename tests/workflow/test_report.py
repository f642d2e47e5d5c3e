"""The report of a finished run, opened in a browser that has no network.

Needs playwright and a Chromium (``CHROMIUM`` names another one than the first on the path).
"""

import os
import shutil
from contextlib import suppress

import pandas as pd
import pytest

from bptubeformer.claims import load_claims
from bptubeformer.stages import NOTEBOOK_RESULTS, TABLES
from checkout import RESULTS, snakemake

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.getenv("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium on the path", allow_module_level=True)

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
LOCAL = ("file:", "data:", "blob:", "about:")
SHOWN = "#app img:not(nav img)"
OF_STUDIES = ("findings", "retrieval", "calibration")
OF_THE_PAPER = [table for table in TABLES if table.name not in OF_STUDIES]
"""The tables of the study of the paper."""
CATEGORIES = {
    "The data": {"Classes, ranges and missing joints", "Some people, places, lengths"},
    "Tables": {table.label for result in OF_THE_PAPER for table in result.outputs if table.pages},
    "Figures": {figure.label for result in NOTEBOOK_RESULTS for figure in result.outputs},
    "Notebooks": {result.message for result in NOTEBOOK_RESULTS},
    "Summary and configuration": {"All tables and the configuration"},
}
CATEGORIES["Verdicts"] = {"Every claim of the paper"}
CATEGORIES["Tables"] -= CATEGORIES["Verdicts"]
RULES = {
    "synthetic", "ingest", "overview", "split", "train", "predict", "embed", "attend",
    "attention_movement", "projector", "summary", "all", *(table.name for table in OF_THE_PAPER),
    *(f"draw_{notebook.name}" for notebook in NOTEBOOK_RESULTS),
}  # fmt: skip


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    """The report of a finished run."""
    checkout, _ = finished
    page = tmp_path_factory.mktemp("report") / "report.html"
    arguments = ["--configfile", "small.yaml", "--report", str(page), "--", "all"]
    done = snakemake(checkout, *arguments, cores=None)
    assert done.returncode == 0, done.stdout + done.stderr
    return page


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(report, browser):
    """The report, open; at the end it has neither complained nor asked for anything else."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    complaints, asked = [], []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    page.wait_for_selector("#rulegraph canvas")
    yield page
    context.close()
    assert complaints == []
    assert [url[:200] for url in asked if not url.startswith(LOCAL)] == []


def open_category(page, name):
    """Click from the start to the rows of a category."""
    page.locator("nav ol a").first.click()
    page.locator("nav li a").filter(has=page.get_by_text(name, exact=True)).click()
    page.wait_for_selector("nav tbody tr")


def row(page, label):
    return page.locator("nav tbody tr").filter(has=page.get_by_text(label, exact=True))


def show(page, label):
    row(page, label).locator("a").nth(0).click()


def describe(page, label):
    """Open the description of a result.

    Click again if the click is lost: the page may draw its list again at that moment.
    """
    description = page.get_by_text("Description", exact=True)
    for _ in range(4):
        with suppress(sync_api.TimeoutError):
            row(page, label).locator("a").nth(1).click(timeout=5000)
        with suppress(sync_api.TimeoutError):
            return description.wait_for(timeout=5000)
    return pytest.fail(f"no description of {label}")


def frame(page):
    """The page that is shown inside the report."""
    page.wait_for_selector("iframe")
    return page.frame_locator("iframe")


def test_every_result_of_a_category_has_label_and_caption(page):
    for category, labels in CATEGORIES.items():
        open_category(page, category)
        rows = page.locator("nav tbody tr")
        assert {text.split("\t")[0] for text in rows.all_inner_texts()} == labels
        for label in labels:
            describe(page, label)
            caption = page.locator("nav .prose").inner_text().strip()
            assert len(caption) > 20, label
            assert caption.endswith("."), caption
            page.locator("nav ol a").filter(has=page.get_by_text(category, exact=True)).click()


def test_every_figure_is_drawn_and_fits_into_the_window(page):
    open_category(page, "Figures")
    before = None
    for label in CATEGORIES["Figures"]:
        show(page, label)
        figure = page.locator(SHOWN)
        page.wait_for_function(
            "before => { const img = [...document.querySelectorAll('#app img')].at(-1);"
            " return img.src !== before && img.complete && img.naturalWidth > 0 }",
            arg=before,
        )
        before = figure.get_attribute("src")
        assert before.startswith("data:image/svg+xml"), label
        box = figure.bounding_box()
        assert box["y"] >= 0, label
        assert box["y"] + box["height"] <= 720, label


def test_a_table_is_shown_as_it_is_printed(page):
    open_category(page, "Tables")
    show(page, "Balanced accuracy")
    table = frame(page).locator("table").first
    assert [text.split("\t")[0] for text in table.locator("tbody tr").all_inner_texts()] == [
        "ST-Tran †", "BPT-V2 †",
    ]  # fmt: skip
    assert "has not learned" in frame(page).locator("body").inner_text()
    assert " ± " in table.inner_text()


def test_the_csv_of_a_table_can_be_saved(page, tmp_path):
    open_category(page, "Data (CSV)")
    with page.expect_download() as download:
        show(page, "Balanced accuracy")
    assert download.value.suggested_filename == "accuracy.csv"
    download.value.save_as(tmp_path / "accuracy.csv")
    assert pd.read_csv(tmp_path / "accuracy.csv")["run"].tolist() == ["ST-Tran", "BPT-V2"]


def test_the_verdicts_open_and_lead_to_no_empty_page(page):
    open_category(page, "Verdicts")
    show(page, "Every claim of the paper")
    verdicts = frame(page)
    assert verdicts.locator("tr[data-verdict]").count() == len(load_claims())
    verdicts.get_by_role("button", name="reproduced").click()
    assert 0 < verdicts.locator("tr[data-verdict]:visible").count() < len(load_claims())
    assert verdicts.locator("a[href]").count() == 0


def test_every_notebook_opens_with_its_figures(page):
    open_category(page, "Notebooks")
    before = None
    for label in sorted(CATEGORIES["Notebooks"]):
        show(page, label)
        page.wait_for_function(
            "before => document.querySelector('iframe')?.src !== before", arg=before
        )
        before = page.locator("iframe").get_attribute("src")
        figures = frame(page).locator("img[src^='data:image/png']")
        figures.first.wait_for()
        assert figures.first.evaluate("img => img.naturalWidth") > 0


def test_the_configuration_is_shown(page):
    open_category(page, "Summary and configuration")
    show(page, "All tables and the configuration")
    text = frame(page).locator("body").inner_text()
    for line in ("max_epochs: 1", "learning_rate: 0.001", "folds: 2"):
        assert line in text


def test_the_first_page_says_what_was_run_and_shows_the_rule_graph(page):
    assert "synthetic" in page.locator("#app .prose").inner_text()
    page.locator("#app .prose a", has_text="verdict.html").click()
    page.get_by_text("Snakemake rule").wait_for()
    nodes = page.evaluate("rulegraph_spec.data[0].values.map(node => node.rule)")
    assert set(nodes) == RULES
    page.evaluate("app.setView({navbarMode: 'ruleinfo', ruleinfo: 'train'})")
    page.get_by_text("Software", exact=True).or_(
        page.get_by_text("Code", exact=True)
    ).first.wait_for()
    assert "python src train" in page.locator("nav").first.inner_text()
    painted = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, " \
        "canvas.height).data).size > 10"  # fmt: skip
    assert page.locator("#rulegraph canvas").evaluate(painted)


def test_run_times_are_shown(page):
    page.get_by_text("Statistics", exact=True).click()
    for chart in ("#runtimes canvas", "#timeline canvas"):
        page.wait_for_selector(chart)
    jobs = page.evaluate("runtimes_spec.data.values")
    assert {job["rule"] for job in jobs} == RULES - {"all"}
    assert all(job["runtime"] > 0 for job in jobs)


def test_it_is_small_enough_to_send(report):
    assert report.stat().st_size < 20e6
    assert str(RESULTS) in report.read_text(encoding="utf-8")
