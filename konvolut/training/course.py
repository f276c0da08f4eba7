"""One training from start to end: what is held, what is written, and when."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.errors import RunError
from konvolut.images.batches import Batches, hold
from konvolut.images.crops import Crops
from konvolut.images.imageset import ImageSet, Split
from konvolut.language import _
from konvolut.nets.arch import digest
from konvolut.training.judge import answers, result
from konvolut.training.loop import Epoch, Step, Training, usable
from konvolut.training.metrics import Evaluation
from konvolut.training.parent import load_parent
from konvolut.training.plan import Net, plan
from konvolut.training.planned import Plan
from konvolut.training.recipe import Recipe
from konvolut.training.run import (
    FORMAT,
    Card,
    Run,
    checkpoint,
    claim,
    described,
    free_folder,
    machine,
    save_card,
    save_checkpoint,
    save_evaluation,
    save_weights,
    versions,
    write,
)
from konvolut.training.tune import fit_head, trunk_features
from konvolut.types import Pictures


class Course:
    """A training on disk. Iterate it: steps and epochs come out, and after each epoch it can be resumed from there.

    Nothing is written before the pictures have been read, the net has been built and a parent's weights are in it: bad
    input leaves no folder behind. `stopped` is the run whose rest this is.
    """

    def __init__(
        self, images: ImageSet, plan: Plan, out: Path, device: str = "cpu", stopped: Run | None = None
    ) -> None:
        self.images, self.plan, self.device, self.stopped = images, plan, device, stopped is not None
        recipe, train = plan.recipe, images.splits["train"]
        self.held = {
            role: hold(split, plan.spec)
            for role, split in images.splits.items()
            if role == "val" or (role == "train" and (recipe.head_first or not recipe.augment.crop))
        }
        pictures = (
            Crops(train, plan.spec, recipe.augment.crop, recipe.seed) if recipe.augment.crop else self.held["train"]
        )
        self.batches = Batches(pictures, train.labels, plan.spec, recipe.batch, seed=recipe.seed, how=recipe.augment)
        net = plan.net()
        self.state = checkpoint(stopped) if stopped else None
        if plan.parent and not self.state:
            notes = load_parent(net, plan.parent)
            self.plan = replace(plan, reasons=tuple(dict.fromkeys((*plan.reasons, *notes))))
        self.training = Training(net, self.batches, recipe, device)
        self.best: tuple[float, dict[str, Tensor]] = (-1.0, {})  # validation accuracy, and the weights that had it
        self.head: float | None = None  # validation accuracy of the classifier alone, fitted before the rest moved
        self.run = stopped or Run(out, self.card())

    def card(self) -> Card:
        plan, images = self.plan, self.images
        return Card(
            format=FORMAT,
            net=plan.name,
            fitted=plan.fitted,
            table=digest(plan.arch) if plan.arch else "",
            own=plan.own(len(images.classes)),
            module="" if plan.arch else type(plan.module).__name__,
            parent=plan.parent.where if plan.parent else "",
            parent_sha256=plan.parent.sha256 if plan.parent else "",
            changes=plan.changes,
            reasons=plan.reasons,
            classes=images.classes,
            input=plan.spec,
            data=described(images),
            recipe=plan.recipe,
            versions=versions(),
            machine=machine(self.device),
        )

    def keeping(self) -> str:
        """Where the training pictures are while they are trained on, in words."""
        if self.batches.how.crop:
            return _("every crop is decoded from its file, ahead of its step")
        pictures = self.held["train"]
        size = f"{pictures.nbytes / 1e6:.3g}"
        if isinstance(pictures, np.memmap):
            return _("pictures decoded once, {size} MB in a mapped file: more than memory should hold").format(
                size=size
            )
        return _("pictures decoded once, {size} MB in memory").format(size=size)

    def __iter__(self) -> Iterator[Step | Epoch]:
        self.begin()
        for event in self.training.events():
            if isinstance(event, Epoch):
                self.note(event)
            yield event
        self.finish()

    def begin(self) -> None:
        """Claim a folder for a new run, or go on where the last finished epoch left a stopped one."""
        log = self.run.path / "log.jsonl"
        if not self.stopped:
            claim(self.run)
            log.touch()
        elif self.state:
            self.training.restore(self.state["training"])
            self.best, self.head = (self.state["best_accuracy"], self.state["best"]), self.state["head"]
            lines = log.read_text().splitlines(keepends=True)
            write(log, "".join(lines[: self.training.epochs_done]).encode())
            return
        else:
            write(log, b"")
        if self.plan.recipe.head_first:
            self.fit_head()

    def fit_head(self) -> None:
        """The classifier on the trunk's features. It takes seconds: stopped in it, a run begins it again."""
        net, device = self.training.net, usable(self.device)
        found = {
            role: (trunk_features(net, pictures, self.plan.spec, device), labels_of(self.images.splits[role], device))
            for role, pictures in self.held.items()
        }
        fit_head(net, found["train"], found.get("val"))
        if "val" in self.held:
            self.head = self.evaluation("val").accuracy
            self.best = (self.head, weights_of(net))

    def note(self, epoch: Epoch) -> None:
        """Validate, log, checkpoint: in this order, so that a log line without its checkpoint can be cut off."""
        entry: dict[str, Any] = {
            "epoch": epoch.number,
            "lr": epoch.lr,
            "train_loss": epoch.tally.loss,
            "train_accuracy": epoch.tally.accuracy,
            "images_per_s": epoch.tally.seen / epoch.seconds,
            "seconds": epoch.seconds,
            "waited": epoch.waited,
        }
        if "val" in self.held:
            found = self.evaluation("val").tally
            entry |= {"val_loss": found.loss, "val_accuracy": found.accuracy}
            last = epoch.number == self.plan.recipe.epochs
            judged = self.plan.recipe.keep == "best" or (last and self.head is not None)
            if judged and found.accuracy > self.best[0]:
                self.best = (found.accuracy, weights_of(self.training.net))
        with (self.run.path / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        state = {
            "training": self.training.state(),
            "best_accuracy": self.best[0],
            "best": self.best[1],
            "head": self.head,
        }
        save_checkpoint(self.run, state)

    def finish(self) -> None:
        """Keep the weights, and read the test split, once. With nothing held out, the training pictures must do."""
        if self.best[1]:
            self.training.net.load_state_dict(self.best[1])
        save_weights(self.run, self.training.net)
        results = {}
        for role in [r for r in ("val", "test") if r in self.images.splits] or ["train"]:
            found = self.evaluation(role)
            save_evaluation(self.run, found)  # the test's lies there in the end, where there is one
            results[role] = result(found)
        seconds = sum(entry["seconds"] for entry in self.run.log())
        self.run = Run(self.run.path, replace(self.run.card, results=results, seconds=seconds, outcome=self.outcome()))
        save_card(self.run)
        (self.run.path / "checkpoint.pt").unlink()

    def outcome(self) -> tuple[str, ...]:
        """Which weights were kept, where a classifier was fitted first, in words."""
        if not self.plan.recipe.head_first:
            return ()
        if self.head is None:
            return ("no validation pictures to judge by: the weights after the last epoch are kept",)
        alone, best = (f"{100 * accuracy:.2f} %" for accuracy in (self.head, self.best[0]))
        if self.best[0] > self.head:
            return (f"training on gained on validation, {best} against {alone} of the classifier alone: it is kept",)
        return (
            f"training on did not gain on validation: the classifier alone, {alone}, on the parent's trunk is kept",
        )

    def evaluation(self, role: str) -> Evaluation:
        split = self.images.splits[role]
        pictures = self.held[role] if role in self.held else hold(split, self.plan.spec)
        return answers(self.training.net, split, pictures, self.plan.spec, self.images.classes, role, self.device)

    def augmented(self, count: int = 32) -> Pictures:
        """The first pictures of the first epoch as the net saw them, (count, size, size, c) uint8."""
        return self.batches.first(count)


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def labels_of(split: Split, device: str) -> Tensor:
    return torch.from_numpy(split.labels).to(device)


def resume(run: Run, images: ImageSet, device: str = "cpu", module: nn.Module | None = None) -> Course:
    """The course of an interrupted run; of a user's own `module`, the one it began with.

    Raises RunError when it is finished, or its data have changed.
    """
    if run.card.results:
        raise RunError(f"{run.path}: already finished; konvolut report {run.path} shows it")
    if images.digest != run.card.data["digest"]:
        raise RunError(f"{run.path}: the pictures at {images.where} are not those it was trained on; start a new run")
    return Course(images, run.plan(module), run.path, device, stopped=run)


def train(
    images: ImageSet,
    net: Net | None = None,
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    size: int | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    weights: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train to the end and return the run; what is left open is chosen (see `training.plan`).

    `net` is a name, a TOML file with a table, a table, or any nn.Module: that one is trained in place, as it is.
    `weights` is a file or a run folder to start from; without other settings the classifier is fitted first.

    `settings` are single fields of the recipe: train(images, epochs=3). For progress, iterate a `Course` instead.
    """
    found = plan(images, net, recipe, settings, size, minutes, device, weights)
    course = Course(images, found, free_folder(out, f"{images.name}-{found.name.replace('/', '_')}"), device)
    deque(course, maxlen=0)  # to its end
    return course.run
