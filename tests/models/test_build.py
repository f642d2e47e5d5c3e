import ast
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from bptubeformer.config import studies_of, written_out
from bptubeformer.errors import InputError
from bptubeformer.evaluation.complexity import complexity
from bptubeformer.models import _kind, available, build_model, hyperparameters, lacking
from bptubeformer.models.files import TrainedModel, load_model, save_model
from bptubeformer.models.layers import Stacked
from bptubeformer.skeleton import load_skeleton
from checkout import REPOSITORY, base_config
from fakes import CONTENT, FINGERPRINT

SIZES = {"token_width": 8, "width": 32, "depth": 1}
SMALL = {
    name: {"model": name, "segment_length": 24}
    | {key: size for key, size in SIZES.items() if key in hyperparameters(name)}
    for name in available()
}
DROPS_OUT = [name for name in SMALL if "dropout" in hyperparameters(name)]
WITH_HEADS = [name for name in SMALL if {"heads", "token_width"} <= set(hyperparameters(name))]
CONFIG = written_out(base_config())
OF_THE_PAPER = {run["model"] for run in studies_of(CONFIG)["controls"].runs.values()}
COUNTED = sorted(set(SMALL) - OF_THE_PAPER)
CLASSES = ["a", "b", "c"]
NTU = load_skeleton("ntu-25")
OF_ONE_FILE = pytest.mark.parametrize("run", ["bptubeformer", "lstm", "stgcn"], indirect=True)
"""Models whose files hold all there is: stacked and recurrent weights, and means of batches."""


@pytest.fixture(params=sorted(SMALL))
def run(request):
    return SMALL[request.param]


def test_stages_are_modules_of_the_model(model):
    names = {name for name, _ in model.named_modules()}
    assert list(model.stages) == ["tokeniser", "first transformer", "second transformer"]
    assert {module for modules in model.stages.values() for module in modules} <= names


@pytest.fixture
def model(run):
    torch.manual_seed(0)
    return build_model(run, len(CLASSES))


@pytest.fixture
def segments():
    return 100 * torch.rand(5, 24, 34, generator=torch.Generator().manual_seed(0))


NEW_MODEL = """
\"\"\"A model with hyperparameters of every kind.\"\"\"

from typing import Literal

import torch
from torch import Tensor, nn

from bptubeformer.kinds import Count
from bptubeformer.models.classifier import Classifier

__all__ = ["Every"]


class Every(Classifier):
    stages = {"tokeniser": [], "first transformer": [], "second transformer": []}

    def __init__(
        self, *, classes: int, segment_length: Count = 24, rate: float = 0.5, flag: bool = False,
        offset: int = 0, mode: Literal["a", "b"] = "a", widths: list[Count] = (1,),
        limit: Count | None = None, title: str = "x",
    ):
        super().__init__()
        self.given = (rate, flag, offset, mode, list(widths), limit, title)
        self.head = nn.Linear(34, classes)

    def encode(self, segments: Tensor, attention=None) -> Tensor:
        return segments.mean(1)
"""
CHECK = """
import sys, json
sys.path.insert(0, sys.argv[1])
import yaml
from bptubeformer.checks import check_config
from bptubeformer.config import model_of
from bptubeformer.errors import InputError
from bptubeformer.models import build_model
config = yaml.safe_load(open("config.yaml"))
config["runs"]["New"] = {
    "model": "every", "experiment": "x", "segment_length": 24, **json.loads(sys.argv[2])}
try:
    checked = check_config(config)
except InputError as error:
    print(error)
else:
    print(build_model(model_of(checked, "New"), 3).given)
"""


def test_a_hyperparameter_of_a_type_that_no_configuration_has_is_named():
    with pytest.raises(TypeError, match=r"of the type dict\[str, int\]; use a kind"):
        _kind(ast.parse("dict[str, int]", mode="eval").body)


RIGHT = {"rate": 0.5, "flag": True, "offset": 0, "mode": "b", "widths": [4, 8], "limit": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (RIGHT, "(0.5, True, 0, 'b', [4, 8], None, 'x')"),
        ({"rate": "1e-3", "limit": 7, "title": "1e-3"}, "(0.001, False, 0, 'a', [1], 7, '1e-3')"),
        ({"rate": "fast"}, "config: runs.New.rate = fast: expected a finite number"),
        ({"rate": True}, "config: runs.New.rate = true: expected a finite number"),
        ({"flag": 1}, "config: runs.New.flag = 1: expected true or false"),
        ({"offset": 0.5}, "config: runs.New.offset = 0.5: expected a whole number"),
        ({"offset": False}, "config: runs.New.offset = false: expected a whole number"),
        ({"mode": "c"}, "config: runs.New.mode = c: expected one of a, b"),
        ({"widths": [4, 0]}, "config: runs.New.widths = [4, 0]: value 1: expected a whole number"),
        ({"widths": 4}, "config: runs.New.widths = 4: expected a list"),
        ({"limit": "none"}, "config: runs.New.limit = none: expected a whole number of at least 1"),
        ({"title": 5}, "config: runs.New.title = 5: expected a text"),
    ],
)
def test_a_new_model_is_one_file_and_one_entry(tmp_path, given, expected):
    """Whatever the kinds of its hyperparameters; another value is refused before any job."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    (tmp_path / "src" / "bptubeformer" / "models" / "every.py").write_text(NEW_MODEL)
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(tmp_path / "src"), json.dumps(given)],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith(expected), done.stdout + done.stderr


def test_keys_of_a_run_are_the_arguments_of_its_model():
    assert hyperparameters("sttran") == [
        "segment_length", "token_width", "depth", "heads", "mlp_ratio", "dropout",
        "coordinates", "image_size",
    ]  # fmt: skip
    assert set(hyperparameters("sttran")) < set(hyperparameters("bptubeformer"))


def test_logits_are_finite_and_every_parameter_gets_a_gradient(model, segments):
    """Also those behind a factor that begins at 0."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=random)
    logits = model(segments)
    assert logits.shape == (5, len(CLASSES))
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_head_on_the_embedding_is_the_output(model, segments):
    model.eval()
    assert torch.equal(model.head(model.embed(segments)), model(segments))


def test_asking_for_attention_changes_no_number(model, segments):
    model.eval()
    attention = {}
    embedding = model.embed(segments, attention)
    heads = {getattr(module, "heads", None) for module in model.modules()}
    torch.testing.assert_close(embedding, model.embed(segments), rtol=1e-4, atol=1e-5)
    for layers in attention.values():
        for weights in layers:
            assert weights.shape[1] in heads
            assert weights.shape[2] == weights.shape[3]
            assert (weights >= 0).all()
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))


def test_segments_of_a_batch_do_not_see_each_other(model, segments):
    model.eval()
    alone = torch.cat([model(segment[None]) for segment in segments])
    torch.testing.assert_close(model(segments), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_batch_of_segments_can_be_learned_by_heart(model, segments):
    labels = torch.arange(len(segments)) % len(CLASSES)
    model.coordinates = "box"
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(200):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(segments), labels)
        loss.backward()
        optimiser.step()
        if loss < 0.1:
            break
    assert loss < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("run", COUNTED, indirect=True)
def test_parameters_and_macs_are_those_that_the_model_states(run):
    """At 13 classes, COCO's joints and the sizes of its source; one segment."""
    counted = complexity({"model": run["model"], "segment_length": 24}, 13, 1)
    found = {"params": counted.params_trainable, "macs": counted.macs_thop}
    with torch.device("meta"):
        assert found == build_model({"model": run["model"], "segment_length": 24}, 13).counted


@pytest.mark.parametrize("name", [name for name in SMALL if lacking(name, NTU)])
def test_a_model_that_knows_joints_by_name_says_which_are_missing(name):
    with pytest.raises(ValueError, match=f"{name} needs joints that ntu-25 does not have: nose, "):
        build_model(SMALL[name], 3, NTU)


@pytest.mark.parametrize("run", DROPS_OUT, indirect=True)
def test_dropout_is_off_in_evaluation(model, segments):
    model.train()
    assert not torch.equal(model(segments), model(segments))
    model.eval()
    assert torch.equal(model(segments), model(segments))


@pytest.mark.parametrize("run", sorted(OF_THE_PAPER), indirect=True)
def test_every_matrix_is_initialised_within_its_xavier_bound(model):
    for name, parameter in model.named_parameters():
        stacked = isinstance(model.get_submodule(name.rpartition(".")[0]), Stacked)
        for matrix in parameter if stacked else [parameter]:
            if matrix.dim() > 1:
                fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(matrix)
                bound = (6 / (fan_in + fan_out)) ** 0.5
                assert 0.5 * bound < matrix.abs().max() <= bound, name
    assert (model.head.bias == 0).all()


def save(path, model, run, classes=CLASSES):
    save_model(path, TrainedModel(model, run, classes, FINGERPRINT))


def test_a_model_survives_saving(model, run, segments, tmp_path):
    path = tmp_path / "model.safetensors"
    save(path, model, run)
    loaded = load_model(path)
    assert (loaded.run, loaded.categories, loaded.data) == (run, CLASSES, FINGERPRINT)
    assert torch.equal(loaded.model.eval()(segments), model.eval()(segments))


@OF_ONE_FILE
def test_a_file_that_is_no_model_is_refused(model, run, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: not a model"):
        load_model(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not a model"):
        load_model(path)
    width = next(key for key in hyperparameters(run["model"]) if "width" in key)
    save(path, model, {**run, width: 2 * run.get(width, 8)})
    with pytest.raises(InputError, match=r"its weight \S+ is F32 of .*, that of the \w+ it"):
        load_model(path)
    save(path, model, run, [*CLASSES, "d"])
    with pytest.raises(InputError, match=r"weight head.*is F32 of 3.*, that of .* is F32 of 4"):
        load_model(path)


@OF_ONE_FILE
def test_only_models_of_this_package_are_built(model, run, tmp_path):
    with pytest.raises(ValueError, match="'layers' is not one of alstm, "):
        build_model({"model": "layers"}, 3)
    save(tmp_path / "model.safetensors", model, {**run, "model": "os"})
    with pytest.raises(InputError, match="'os' is not one of"):
        load_model(tmp_path / "model.safetensors")


@OF_ONE_FILE
def test_a_missing_parameter_is_named(model, run, tmp_path):
    path = tmp_path / "model.safetensors"
    save(path, model, run)
    weights = load_file(path)
    del weights["head.bias"]
    model.state_dict = lambda: weights
    save(path, model, run)
    with pytest.raises(InputError, match=r"head\.bias"):
        load_model(path)


@OF_ONE_FILE
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights | {"head.bias": torch.full((3,), float("nan"))},
         "its weight head.bias has values that are not finite"),
        (lambda weights: weights | {"head.bias": weights["head.bias"].half()},
         "its weight head.bias is F16 of 3, that of the"),
        (lambda weights: weights | {"more": torch.zeros(2, 2)}, "its weight more is F32 of 2 x 2"),
        (lambda weights: {}, "not a model"),
    ],
)  # fmt: skip
def test_weights_that_are_not_the_models_are_refused_by_name(model, run, tmp_path, change, words):
    path, weights = tmp_path / "model.safetensors", change(model.state_dict())
    model.state_dict = lambda: weights
    save(path, model, run)
    with pytest.raises(InputError, match=words):
        load_model(path)


@OF_ONE_FILE
@pytest.mark.parametrize(
    "change", [{"segment_length": 10**9}, {"depth": 10**6}, {"kernel": [10**9, 3, 3]}]
)
def test_an_architecture_without_weights_takes_no_memory(model, run, tmp_path, change):
    path = tmp_path / "model.safetensors"
    save(path, model, {**run, **change})
    with pytest.raises(InputError, match="not a model of this package"):
        load_model(path)


@OF_ONE_FILE
def test_a_model_file_that_was_changed_is_refused(model, run, tmp_path):
    """One bit of a weight, or what the file says of its architecture."""
    path = tmp_path / "model.safetensors"
    save(path, model, run)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(InputError, match="its content is not what was written"):
        load_model(path)
    path.write_bytes(sound.replace(FINGERPRINT.encode(), FINGERPRINT[::-1].encode()))
    with pytest.raises(InputError, match="its content is not what was written"):
        load_model(path)


@pytest.mark.parametrize("about", [{}, {"run": 1, "categories": []}, {"run": {}, "categories": 3},
                                   {"run": {"model": "../os"}, "categories": ["a"]}])  # fmt: skip
def test_a_file_that_names_no_architecture_is_refused(tmp_path, about):
    path = tmp_path / "model.safetensors"
    others = {"extent": None, "skeleton": {}, "training": {}, "split": None}
    about = {**others, "data": FINGERPRINT, "content": CONTENT, **about}
    save_file({"a": torch.zeros(1)}, path, metadata={"about": json.dumps(about)})
    with pytest.raises(InputError, match=r"is missing|expected a|not a model of this"):
        load_model(path)


@pytest.mark.parametrize("run", WITH_HEADS, indirect=True)
def test_heads_must_divide_the_width(run):
    with pytest.raises(ValueError, match="8 heads; use 8 or 16"):
        build_model({**run, "token_width": 12}, 3)


def test_a_model_whose_package_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysiglib", None)
    monkeypatch.delitem(sys.modules, "bptubeformer.models.pathsignature", raising=False)
    with pytest.raises(ValueError, match=r"pathsignature needs pysiglib.*, which is not installed"):
        build_model({"model": "pathsignature", "segment_length": 24}, 3)
