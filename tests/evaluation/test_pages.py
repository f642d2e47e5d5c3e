from bptubeformer.evaluation.pages import page


def test_a_table_becomes_a_page_that_needs_nothing_else():
    shown = page("# Title & more\n\n| Run | MACs |\n|:--|--:|\n| BPT-V2 | 30.5 |\n\nA note.\n")
    assert "<title>Title &amp; more</title>" in shown
    assert '<td style="text-align:left">BPT-V2</td>' in shown
    assert shown.count('<div class="wide"><table>') == 1
    assert "http" not in shown


def test_only_long_cells_are_broken_into_lines():
    shown = page(f"| a | b |\n|---|:--|\n| (2, 3, 3) | {'words ' * 5} |\n")
    assert "<td>(2, 3, 3)</td>" in shown
    assert '<td class="long" style="text-align:left">words words' in shown


def test_what_comes_from_outside_is_escaped():
    shown = page("# <script>alert(1)</script>\n\n| a |\n|---|\n| <img src=x onerror=y> |\n")
    assert "<script>" not in shown
    assert "<img" not in shown


def test_text_without_a_heading_is_a_page():
    assert "<title></title>" in page("words")
