from pathlib import Path

from bptubeformer.study import fold_folders, repeats


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
