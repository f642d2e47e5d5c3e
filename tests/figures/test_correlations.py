import pandas as pd

from bptubeformer.figures.correlations import draw_movement
from bptubeformer.skeleton import COCO_17


def test_every_level_and_part_is_drawn(saved):
    levels = [("between parts", "all"), *((level, part) for level in ("body part", "tubelets")
                                          for part in COCO_17.parts)]  # fmt: skip
    rows = [
        {"level": level, "part": part, "order": order, "rank_correlation": 0.1,
         "interval_low": 0.0, "interval_high": 0.2, "segments": 9}
        for level, part in levels for order in ("true", "shuffled")
    ]  # fmt: skip
    svg = saved(draw_movement(pd.DataFrame(rows), COCO_17, "title"))
    for text in ("between parts:", "wrists", "ankles", "shuffled (control)"):
        assert text in svg
