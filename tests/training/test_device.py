import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.training.device import choose_device, count_gpus


def test_auto_takes_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="cuda:99 is asked for, but torch sees"):
        choose_device("cuda:99")


def test_gpus_are_counted_by_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA'\necho 'GPU 1: NVIDIA'\n")
    program.chmod(0o755)
    assert count_gpus() == 2
