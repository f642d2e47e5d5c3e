"""Changes of segments, and losses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bptubeformer.data.segments import Segments
from bptubeformer.settings import TrainingSettings
from bptubeformer.skeleton import COCO_17
from bptubeformer.training.recipe import PAPER, Recipe, balanced_error, evidence

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 1.0, 1.0], [-1.0, 0.0, 4.0]])
LABELS = torch.tensor([0, 0, 1, 2])
SEGMENTS = 100 * torch.rand(4, 6, 34, generator=torch.Generator().manual_seed(0)) + 1


def segments_with(labels: torch.Tensor) -> Segments:
    return Segments(torch.zeros(40, 34), torch.arange(len(labels)), labels.short(), 6)


def recipe(**settings) -> Recipe:
    given = TrainingSettings(**settings)
    return Recipe.of(given, segments_with(LABELS), 3, COCO_17)


def test_the_papers_recipe_is_the_cross_entropy_of_segments_as_they_are():
    for one in (PAPER, recipe()):
        segments, targets = one.change(SEGMENTS, LABELS)
        assert segments is SEGMENTS
        assert targets is LABELS
        assert torch.equal(one.loss(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
        assert torch.equal(one.validation_loss(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))


def test_smoothed_labels_are_those_of_torch_and_are_not_validated_on():
    one = recipe(label_smoothing=0.1)
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    assert torch.equal(one.loss(LOGITS, LABELS), expected)
    assert torch.equal(one.validation_loss(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))


def test_class_weights_make_every_class_count_alike():
    """In the whole training set; the mean over the segments of a batch stays one over them."""
    one = recipe(class_weights=True)
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    of_classes = [each[label == LABELS].mean() for label in range(3)]
    torch.testing.assert_close(one.loss(LOGITS, LABELS), torch.stack(of_classes).mean())
    halves = [one.loss(LOGITS[half], LABELS[half]) for half in (slice(2), slice(2, 4))]
    torch.testing.assert_close(torch.stack(halves).mean(), one.loss(LOGITS, LABELS))


def test_a_class_without_a_segment_takes_no_weight_of_others():
    one = Recipe.of(
        TrainingSettings(class_weights=True), segments_with(torch.tensor([0, 0, 2])), 3, COCO_17
    )
    assert one.weights.tolist() == pytest.approx([0.75, 1.5, 1.5])


def test_mixed_segments_have_mixed_labels():
    torch.manual_seed(0)
    segments, shares = recipe(mixup=0.4).change(SEGMENTS, LABELS)
    assert segments.shape == SEGMENTS.shape
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))
    assert ((shares > 0) & (shares < 1)).any()
    # A segment whose shares are of its own class alone was mixed with one of that class.
    low, high = SEGMENTS.amin(dim=0), SEGMENTS.amax(dim=0)
    assert ((segments >= low - 1e-4) & (segments <= high + 1e-4)).all()


def test_a_loss_of_shares_is_the_mean_of_the_losses_of_their_classes():
    shares = torch.tensor([[0.7, 0.3, 0.0]])
    for settings in ({}, {"class_weights": True}, {"loss": "evidential-softplus"}):
        one = recipe(**settings)
        each = [one.loss(LOGITS[:1], torch.tensor([label])) for label in range(2)]
        torch.testing.assert_close(one.loss(LOGITS[:1], shares), 0.7 * each[0] + 0.3 * each[1])


@pytest.mark.parametrize("loss", ["evidential-softplus", "evidential-exp"])
def test_evidence_is_that_of_the_source(loss):
    """OpenEAR, Eq. 8: log S - log alpha of the class, alpha = evidence + 1."""
    function = np.exp if loss == "evidential-exp" else lambda x: np.log1p(np.exp(x))
    alpha = 1 + function(LOGITS.numpy().astype(float))
    chosen = alpha[range(len(LABELS)), LABELS.tolist()]
    expected = np.mean(np.log(alpha.sum(axis=1)) - np.log(chosen))
    one = recipe(loss=loss)
    assert float(one.loss(LOGITS, LABELS)) == pytest.approx(expected, rel=1e-5)
    assert float(one.validation_loss(LOGITS, LABELS)) == pytest.approx(expected, rel=1e-5)
    assert (evidence(LOGITS, loss) >= 0).all()
    assert evidence(torch.full((1, 3), 1e4), loss).isfinite().all()


def test_the_balanced_error_counts_classes_alike():
    # Of class 0 one of two is right, of class 1 none, of class 2 the only one.
    labels = torch.tensor([0, 0, 1, 2])
    logits = F.one_hot(torch.tensor([0, 1, 0, 2]), 4).float()
    assert float(balanced_error(logits, labels)) == pytest.approx(0.5)
    assert float(recipe(loss="balanced-error").validation_loss(logits, labels)) == 0.5
