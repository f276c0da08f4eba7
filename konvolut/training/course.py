"""One training from start to end: what is held, what is written, and when."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from konvolut.errors import DataError, RunError
from konvolut.images.augment import Dice, augment
from konvolut.images.batches import Batches, hold, unit
from konvolut.images.imageset import ImageSet, Split
from konvolut.nets.arch import build, digest
from konvolut.training.evaluate import evaluate
from konvolut.training.loop import Epoch, Step, Training, usable
from konvolut.training.metrics import Evaluation
from konvolut.training.plan import Plan, plan
from konvolut.training.recipe import Recipe
from konvolut.training.run import (
    FORMAT,
    Card,
    Run,
    checkpoint,
    claim,
    free_folder,
    machine,
    save_card,
    save_checkpoint,
    save_evaluation,
    save_weights,
    versions,
    write,
)
from konvolut.types import Pictures


class Course:
    """A training on disk. Iterate it: steps and epochs come out, and after each epoch it can be resumed from there.

    Nothing is written before the pictures have been read and the net has been built: bad input leaves no folder behind.
    """

    def __init__(self, images: ImageSet, plan: Plan, out: Path, device: str = "cpu") -> None:
        self.images, self.plan, self.device = images, plan, device
        self.held = {role: hold(split, plan.spec) for role, split in images.splits.items() if role != "test"}
        train = images.splits["train"]
        recipe = plan.recipe
        self.batches = Batches(
            self.held["train"], train.labels, plan.spec, recipe.batch, seed=recipe.seed, how=recipe.augment
        )
        net = build(plan.arch, scheme=recipe.init, seed=recipe.seed)
        self.training = Training(net, self.batches, recipe, device)
        self.best: tuple[float, dict[str, Tensor]] = (-1.0, {})  # validation accuracy, and the weights that had it
        self.run = Run(out, self.card())
        self.stopped = False  # is this the rest of a run that was stopped?

    def card(self) -> Card:
        plan, images = self.plan, self.images
        return Card(
            format=FORMAT,
            net=plan.name,
            fitted=plan.fitted,
            table=digest(plan.arch),
            changes=plan.changes,
            reasons=plan.reasons,
            classes=images.classes,
            input=plan.spec,
            data={
                "name": images.name,
                "where": images.where,
                "digest": images.digest,
                "val": images.val,
                "seed": images.seed,
                "notes": list(images.notes),
                "counts": {role: split.counts(len(images.classes)) for role, split in images.splits.items()},
            },
            recipe=plan.recipe,
            versions=versions(),
            machine=machine(self.device),
        )

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
        elif state := checkpoint(self.run):
            self.training.restore(state["training"])
            self.best = (state["best_accuracy"], state["best"])
            lines = log.read_text().splitlines(keepends=True)
            write(log, "".join(lines[: self.training.epochs_done]).encode())
        else:
            write(log, b"")

    def note(self, epoch: Epoch) -> None:
        """Validate, log, checkpoint: in this order, so that a log line without its checkpoint can be cut off."""
        entry: dict[str, Any] = {
            "epoch": epoch.number,
            "lr": epoch.lr,
            "train_loss": epoch.tally.loss,
            "train_accuracy": epoch.tally.accuracy,
            "images_per_s": epoch.tally.seen / epoch.seconds,
            "seconds": epoch.seconds,
        }
        if "val" in self.held:
            found = self.evaluation("val").tally
            entry |= {"val_loss": found.loss, "val_accuracy": found.accuracy}
            if self.plan.recipe.keep == "best" and found.accuracy > self.best[0]:
                held = {name: value.clone() for name, value in self.training.net.state_dict().items()}
                self.best = (found.accuracy, held)
        with (self.run.path / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        state = {"training": self.training.state(), "best_accuracy": self.best[0], "best": self.best[1]}
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
        self.run = Run(self.run.path, replace(self.run.card, results=results, seconds=seconds))
        save_card(self.run)
        (self.run.path / "checkpoint.pt").unlink()

    def evaluation(self, role: str) -> Evaluation:
        split = self.images.splits[role]
        pictures = self.held[role] if role in self.held else hold(split, self.plan.spec)
        return answers(self.training.net, split, pictures, self.run.card, role, self.device)

    def augmented(self, count: int = 32) -> Pictures:
        """The first pictures of the first epoch as the net saw them, (count, size, size, c) uint8."""
        index = self.batches.order(0)[:count]
        how, colours = self.batches.how, self.batches.colours() if self.batches.how.lighting else None
        seen = augment(unit(self.batches.pictures[index]), how, Dice(self.batches.seed, 0, index), colours)
        return seen.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def answers(
    net: torch.nn.Module, split: Split, pictures: Pictures, card: Card, role: str, device: str = "cpu"
) -> Evaluation:
    """`evaluate` with what a split and a card already know."""
    return evaluate(
        net, pictures, card.input, split=role, classes=card.classes, names=split.names, labels=split.labels,
        device=device,
    )  # fmt: skip


def result(found: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "interval": list(found.interval),
        "n": len(found.labels),
        "loss": found.tally.loss,
    }


def evaluate_run(run: Run, images: ImageSet, role: str = "test", device: str = "cpu") -> Evaluation:
    """A run's answers on a split of any set whose classes it knows, matched by name."""
    if role not in images.splits:
        raise DataError(f"{images.where}: no split {role!r}; it has {', '.join(images.splits)}")
    split = images.splits[role]
    strange = [name for name in images.classes if name not in run.card.classes]
    if strange:
        raise DataError(
            f"{images.where}: the run knows no class {strange[0]!r}; it knows {', '.join(run.card.classes)}"
        )
    places = torch.tensor([run.card.classes.index(name) for name in images.classes])
    split = replace(split, labels=places[torch.from_numpy(split.labels)].numpy())
    return answers(run.net().to(usable(device)), split, hold(split, run.card.input), run.card, role, device)


def resume(run: Run, images: ImageSet, device: str = "cpu") -> Course:
    """The course of an interrupted run. Raises RunError when it is finished, or its data have changed."""
    if run.card.results:
        raise RunError(f"{run.path}: already finished; konvolut report {run.path} shows it")
    if images.digest != run.card.data["digest"]:
        raise RunError(f"{run.path}: the pictures at {images.where} are not those it was trained on; start a new run")
    course = Course(images, run.plan(), run.path, device)
    course.run, course.stopped = run, True
    return course


def train(
    images: ImageSet,
    net: str | None = None,
    recipe: Recipe | None = None,
    *,
    out: str | Path | None = None,
    size: int | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    **settings: Any,
) -> Run:
    """Train to the end and return the run; what is left open is chosen (see `training.plan`).

    `settings` are single fields of the recipe: train(images, epochs=3). For progress, iterate a `Course` instead.
    """
    found = plan(images, net, recipe, settings, size, minutes, device)
    course = Course(images, found, free_folder(out, f"{images.name}-{found.name.replace('/', '_')}"), device)
    for _ in course:
        pass
    return course.run
