from pathlib import Path

from bptubeformer.study import fold_folders, leftovers, repeats


def test_the_first_seed_has_the_plain_name():
    assert repeats([3]) == {"": 3}
    assert repeats([0, 1, 7]) == {"": 0, "-seed1": 1, "-seed7": 7}


def test_every_fold_and_seed_has_a_folder():
    found = list(fold_folders(Path("r"), "video", "M1.2", 2, [5, 6]))
    assert found == [
        (0, 5, Path("r/video/M1.2/fold0")),
        (0, 6, Path("r/video/M1.2/fold0-seed6")),
        (1, 5, Path("r/video/M1.2/fold1")),
        (1, 6, Path("r/video/M1.2/fold1-seed6")),
    ]


def test_what_no_configured_run_or_study_has_is_left_over(tmp_path):
    kept = ["video/a/fold0", "video/a/fold1-seed5", "tensorboard/video/a/fold0", "paper/tables",
            "data/splits", "logs/train/video", "video/notes"]  # fmt: skip
    gone = ["video/b", "video/a/fold2", "video/a/fold0-seed9", "tensorboard/video/b", "old"]
    for name in [*kept, *(f"{run}/fold0" for run in gone if run.endswith("b")), *gone[1:3],
                 "old/tables"]:  # fmt: skip
        (tmp_path / name).mkdir(parents=True)
    found = leftovers(tmp_path, ["as-published", "video"], {"a"}, {"paper"}, 2, [0, 5])
    assert found == sorted(tmp_path / name for name in gone)
    assert leftovers(tmp_path / "nothing", ["video"], {"a"}, {"paper"}, 2, [0]) == []
