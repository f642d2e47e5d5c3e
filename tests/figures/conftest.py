"""Check a figure without eyes: both files are there, and the SVG has its words."""

import pytest

from bptubeformer.figures.style import apply_style, save_figure


@pytest.fixture
def saved(tmp_path):
    """Save a figure; give back the text of its SVG file."""
    apply_style()

    def save(figure):
        png = save_figure(figure, tmp_path / "figure")
        assert png.read_bytes().startswith(b"\x89PNG")
        return png.with_suffix(".svg").read_text()

    return save
