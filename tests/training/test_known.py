"""A net with somebody's weights answers as the net does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_planned import CHEAP
from test_tune import made

from konvolut.errors import DataError, RunError
from konvolut.nets.open import build
from konvolut.training.course import train
from konvolut.training.judge import evaluate_run
from konvolut.training.known import known
from konvolut.training.predict import predict


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "lenet.pt"
    net = build("lenet@d2l", seed=9)
    torch.save(net.state_dict(), file)
    return file, net.eval()


def test_a_net_and_a_file_answer_with_numbers(lenet, tmp_path):
    file, net = lenet
    Image.fromarray(np.full((28, 28), 51, np.uint8)).save(tmp_path / "grey.png")
    answers, _ = predict(known("lenet@d2l", file), [str(tmp_path / "grey.png")])
    with torch.no_grad():
        sure = net(torch.full((1, 1, 28, 28), (51 / 255 - 0.5) / 0.5)).softmax(1)
    ((label, probability),) = answers[0].labels
    assert (label, probability) == (str(int(sure.argmax())), pytest.approx(float(sure.max()), abs=1e-6))


def test_a_run_lends_its_classes_and_its_weights(tmp_path):
    images = replace(made(1), val=0.3, seed=5)
    run = train(images, "lenet@d2l", out=tmp_path / "run", size=28, **CHEAP)
    found = known("lenet@d2l", run.path)
    assert found.classes == images.classes
    assert (evaluate_run(found, images).logits == run.evaluation().logits).all()
    first = known(run.path)
    other = known(run.path, run.path / "weights.safetensors")
    assert replace(other, net=first.net, notes=first.notes) == first  # of the same pictures, divided in the same way
    assert all(map(torch.equal, first.net.state_dict().values(), other.net.state_dict().values()))


def test_a_net_without_weights_and_classes_it_cannot_know_are_refused(lenet):
    with pytest.raises(RunError, match=r"lenet: a net that knows nothing yet; --weights FILE"):
        known("lenet")
    with pytest.raises(RunError, match="no run folder"):
        known("nowhere")
    with pytest.raises(DataError, match="the run knows no class 'a'; it knows 0, 1"):
        evaluate_run(known("lenet@d2l", lenet[0]), made(1))
