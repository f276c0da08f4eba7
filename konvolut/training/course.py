"""One training from start to end: what is held, what is written, and when."""

import json
import math
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.errors import RunError
from konvolut.images.batches import Batches, Division, hold
from konvolut.images.crops import Crops
from konvolut.images.imageset import ImageSet, Split
from konvolut.language import _
from konvolut.nets.arch import digest, has_batch_norm
from konvolut.training.checkpoint import Checkpoints, synced
from konvolut.training.device import usable
from konvolut.training.evaluate import Mirrored
from konvolut.training.judge import answers, result, stalled
from konvolut.training.loop import Epoch, Step, Training
from konvolut.training.metrics import Evaluation, Tally
from konvolut.training.parent import load_parent
from konvolut.training.plan import Net, plan
from konvolut.training.planned import Plan
from konvolut.training.recipe import Recipe
from konvolut.training.run import (
    FORMAT,
    Card,
    Run,
    claim,
    described,
    free_folder,
    machine,
    save_card,
    save_evaluation,
    save_weights,
    versions,
    write,
)
from konvolut.training.tune import fit_head, trunk_features
from konvolut.training.world import Even, World
from konvolut.types import Pictures

EVERY = 300.0  # s between two checkpoints in an epoch; there is one at the end of each, too
WINDOWS = 8  # entries of the log in an epoch, at most
LONGEST = 100  # steps of one
STILL = 0.02  # of ln K: a loss that is no further below it than this has not moved


class Course:
    """A training on disk. Iterate it: steps and epochs come out, and it can be resumed from the last checkpoint.

    Nothing is written before the pictures have been read, the net has been built and a parent's weights are in it: bad
    input leaves no folder behind. `stopped` is the run whose rest this is. There is a checkpoint after each epoch, every
    `seconds` and every `steps` in it (0: none), and when `stop` is set, with which the iteration ends.
    """

    def __init__(
        self,
        images: ImageSet,
        plan: Plan,
        out: Path,
        device: str = "cpu",
        stopped: Run | None = None,
        *,
        world: World | None = None,
        seconds: float = EVERY,
        steps: int = 0,
    ) -> None:
        self.images, self.plan, self.stopped = images, plan, stopped is not None
        self.world = world = world or World(device=device)
        self.device = world.device
        self.every = (seconds, steps)
        recipe, train = plan.recipe, images.splits["train"]
        self.held = {}
        if recipe.head_first or not recipe.augment.crop:
            self.held["train"] = hold(train, plan.spec)
        if "val" in images.splits:
            self.held["val"] = hold(images.splits["val"] if recipe.head_first else self.own("val"), plan.served)
        pictures = (
            Crops(train, plan.spec, recipe.augment.crop, recipe.seed) if recipe.augment.crop else self.held["train"]
        )
        self.batches = Batches(
            pictures, train.labels, plan.spec, recipe.batch, recipe.seed, recipe.augment, self.division(plan),
            (recipe.mixup, recipe.cutmix), recipe.balance == "sampling",
        )  # fmt: skip
        net = plan.net()
        self.notes: list[str] = []  # what happened that a user should know, for whoever shows it
        self.state = self.found(Checkpoints(stopped.path / "checkpoints")) if stopped else None
        if plan.parent and not self.state:
            notes = load_parent(net, plan.parent)
            self.plan = replace(plan, reasons=tuple(dict.fromkeys((*plan.reasons, *notes))))
        self.training = Training(net, self.batches, recipe, self.device, world)
        self.best: tuple[float, dict[str, Tensor]] = (-1.0, {})  # validation accuracy, and the weights that had it
        self.head: float | None = None  # validation accuracy of the classifier alone, fitted before the rest moved
        self.window: list[Step] = []  # steps that no entry of the log tells of yet
        self.stop = False  # set it, from a signal's handler too: the step is finished, and a checkpoint written
        self.kept = perf_counter()  # when the last checkpoint was
        self.run = stopped or Run(out, self.card())
        self.checkpoints = Checkpoints(self.run.path / "checkpoints")

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
            input=plan.served,
            size=0 if plan.served == plan.spec else plan.spec.size,
            data=described(images),
            recipe=plan.recipe,
            versions=versions(),
            machine=machine(self.device),
        )

    def keeping(self) -> str:
        """Where the training pictures are while they are trained on, in words."""
        if self.batches.how.crop:
            if self.images.fit:
                return _("every crop is cut from its stored square, ahead of its step")
            return _("every crop is decoded from its file, ahead of its step")
        pictures = self.held["train"]
        size = f"{pictures.nbytes / 1e6:.3g}"
        if isinstance(pictures, np.memmap):
            return _("pictures decoded once, {size} MB in a mapped file: more than memory should hold").format(
                size=size
            )
        return _("pictures decoded once, {size} MB in memory").format(size=size)

    def sharing(self) -> tuple[str, ...]:
        """How several processes divide the work, in words; nothing of one."""
        if self.world.size == 1:
            return ()
        count, batch = self.world.size, self.plan.recipe.batch
        line = _("{n} processes share batches of {batch}").format(n=count, batch=batch)
        if isinstance(self.batches.division, Even):
            rest = len(self.batches.labels) % count
            line += "; " + _(
                "batch norm sees each one's own pictures, so their shares are equal: {rest} of the last pictures sit "
                "each epoch out; --set norm_over=ranks norms over all"
            ).format(rest=rest)
        return (line,)

    def __iter__(self) -> Iterator[Step | Epoch]:
        world = self.world
        self.begin()
        for event in () if self.over() else self.training.events():
            if isinstance(event, Step):
                self.tell(event)
            else:
                self.note(event)
            if world.size > 1 and isinstance(event, Step):  # a signal reaches every process, but not in the same step
                self.stop = bool(world.summed([self.stop])[0])
            if world.main and (self.stop or self.due(event)):
                self.keep()
            yield event
            if self.stop:
                return
            if isinstance(event, Epoch) and self.over():
                break
        self.finish()

    def begin(self) -> None:
        """Claim a folder for a new run, or go on where the last checkpoint left a stopped one."""
        log, main = self.run.path / "log.jsonl", self.world.main
        if main and not self.stopped:
            claim(self.run)
        if self.state:
            self.training.restore(self.state["training"])
            self.training.micro = self.state["micro"]  # parts of a batch are summed in another order than the whole
            self.best, self.head = (self.state["best_accuracy"], self.state["best"]), self.state["head"]
            self.window = [Step(**told | {"tally": Tally(**told["tally"])}) for told in self.state["window"]]
        if main:  # what was logged after the checkpoint will be logged again
            write(log, log.read_bytes()[: self.state["logged"]] if self.state else b"")
            for line in self.sharing():
                self.log({"note": line})
        if not self.state and self.plan.recipe.head_first:
            self.fit_head()

    def found(self, checkpoints: Checkpoints) -> dict[str, Any] | None:
        state, notes = checkpoints.newest()
        self.notes += notes
        return state

    def due(self, event: Step | Epoch) -> bool:
        """Is it time for a checkpoint?"""
        seconds, steps = self.every
        done = isinstance(event, Step) and steps > 0 and (event.number + 1) % steps == 0
        return isinstance(event, Epoch) or done or perf_counter() - self.kept > seconds

    def keep(self) -> None:
        """A checkpoint of everything, as of now."""
        log = self.run.path / "log.jsonl"
        synced(log)
        state = {
            "training": self.training.state(),
            "micro": self.training.micro,
            "best_accuracy": self.best[0],
            "best": self.best[1],
            "head": self.head,
            "window": [asdict(step) for step in self.window],
            "logged": log.stat().st_size,
        }
        training = self.training
        self.checkpoints.save(state, training.epochs_done * len(self.batches) + training.steps_done)
        self.kept = perf_counter()

    def log(self, entry: dict[str, Any]) -> None:
        if not self.world.main:
            return
        with (self.run.path / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")

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

    def tell(self, step: Step) -> None:
        """Log what happened in a step, and what a window of steps came to."""
        for note in self.training.notes:
            self.notes.append(note)
            self.log({"step": step.number + 1, "note": note})
        self.training.notes.clear()
        self.window.append(step)
        count, left = len(self.batches), -(step.number + 1) % len(self.batches)
        if len(self.window) < min(LONGEST, -(-count // WINDOWS)) and left:
            return
        seconds, waited = (sum(getattr(one, what) for one in self.window) for what in ("seconds", "waited"))
        tally = sum((one.tally for one in self.window), Tally())
        self.log(
            {
                "step": step.number + 1,
                "of": step.of,
                "epoch": step.number // count + 1,
                "lr": step.lr,
                "loss": tally.loss if tally.seen else None,
                "grad_norm": step.norm,
                "images_per_s": tally.seen / seconds,
                "waiting": waited / seconds,
                "memory_mb": memory_mb(),
            }
        )
        self.window = []

    def note(self, epoch: Epoch) -> None:
        """Validate, and log."""
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
                with self.training.answering():
                    self.best = (found.accuracy, weights_of(self.training.net))
        if stuck := self.stuck(epoch):
            entry["stuck"] = stuck
            self.notes.append(stuck)
        self.log(entry)

    def over(self) -> bool:
        """Has validation not gained for as many epochs as the recipe waits? Read from the log, so a resumed run knows."""
        patience = self.plan.recipe.patience
        if not patience:
            return False
        log = self.run.log() if self.world.main else ()
        return bool(self.world.told(stalled([entry["val_accuracy"] for entry in log], patience)))

    def stuck(self, epoch: Epoch) -> str:
        """What to think of where the loss has not left ln K once the learning rate has climbed; "" where it has."""
        recipe, chance = self.plan.recipe, math.log(len(self.images.classes))
        if epoch.number - 1 < recipe.warmup * recipe.epochs or epoch.tally.loss < (1 - STILL) * chance:
            return ""
        return (
            f"epoch {epoch.number}: the loss, {epoch.tally.loss:.3f}, has not left that of guessing, ln "
            f"{len(self.images.classes)} = {chance:.3f}. The usual causes: a learning rate too large or too small, "
            "activations that die (a ReLU on the logits, as NiN has) or saturate (sigmoids, many layers deep), labels that "
            "do not belong to their pictures"
        )

    def finish(self) -> None:
        """Keep the weights, and read the test split, once. With nothing held out, the training pictures must do."""
        main = self.world.main
        with self.training.answering():
            kept = self.best[1] or weights_of(self.training.net)
        self.training.average = None
        self.training.net.load_state_dict(kept)
        if main:
            save_weights(self.run, self.training.net)
        results = {}
        for role in [r for r in ("val", "test") if r in self.images.splits] or ["train"]:
            found = self.evaluation(role)
            if main:
                save_evaluation(self.run, found)  # the test's lies there in the end, where there is one
            results[role] = result(found)
        seconds = sum(entry["seconds"] for entry in self.run.log()) if main else 0.0
        self.run = Run(self.run.path, replace(self.run.card, results=results, seconds=seconds, outcome=self.outcome()))
        if main:
            save_card(self.run)
            self.checkpoints.clear()
        self.world.barrier()

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
        """Every picture of a split once, each by one of the processes."""
        split, own = self.images.splits[role], self.own(role)
        spec = self.plan.served
        held = self.held.get(role) if role == "val" or spec == self.plan.spec else None
        pictures = hold(own, spec) if held is None else held
        if len(pictures) > len(own):
            pictures = pictures[self.world.rows(len(split))]
        net = self.training.net
        with self.training.answering():
            self.world.agree(net)
            net = Mirrored(net) if self.plan.recipe.mirror else net
            found = answers(net, own, pictures, spec, self.images.classes, role, self.device)
        return replace(found, names=split.names, labels=split.labels, logits=self.world.gathered(found.logits))

    def own(self, role: str) -> Split:
        """The pictures of a split that this process evaluates."""
        split = self.images.splits[role]
        rows = self.world.rows(len(split))
        return split if self.world.size == 1 else split.part(range(rows.start, rows.stop))

    def division(self, plan: Plan) -> Division:
        """Equal shares where each process's batch norm sees its own alone."""
        normed = plan.arch is None or has_batch_norm(plan.arch)
        return Even(self.world) if normed and plan.recipe.norm_over == "rank" else self.world

    def augmented(self, count: int = 32) -> Pictures:
        """The first pictures of the first epoch as the net saw them, (count, size, size, c) uint8."""
        return self.batches.first(count)


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def memory_mb() -> float | None:
    """The most memory this process has held, in MB; None where the system does not say."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def labels_of(split: Split, device: str) -> Tensor:
    return torch.from_numpy(split.labels).to(device)


def resume(run: Run, images: ImageSet, device: str = "cpu", module: nn.Module | None = None, **every: Any) -> Course:
    """The course of an interrupted run; of a user's own `module`, the one it began with. `every`: of checkpoints.

    Raises RunError when it is finished, or its data have changed.
    """
    if run.card.results:
        raise RunError(f"{run.path}: already finished; konvolut report {run.path} shows it")
    if images.digest != run.card.data["digest"]:
        raise RunError(f"{run.path}: the pictures at {images.where} are not those it was trained on; start a new run")
    return Course(images, run.plan(module), run.path, device, run, **every)


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
