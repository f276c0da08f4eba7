"""A training loop of another environment, for bench/train_gpu.py: `train_gpu_peer.py torchvision|timm NET PX BATCH`.

torchvision: the plain loop of its reference script, as it is without --amp: fp32, contiguous. timm: its model as timm's own
train.py runs it with --amp --amp-dtype bfloat16 --channels-last, eager. Both: SGD with momentum, on one batch that lies on
the device as float tensors, ready. Says "ready" once it has warmed up, then takes as many steps as each line on its
standard input names, and says how many seconds they took.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from time import perf_counter

import torch
from torch.nn.functional import cross_entropy

WARMUP, CLASSES = 5, 10


def step_of(kind: str, net: str, side: int, batch: int) -> Callable[[], None]:
    if kind == "torchvision":
        from torchvision.models import get_model

        model, layout = get_model(net, weights=None, num_classes=CLASSES), torch.contiguous_format
    else:
        from timm import create_model

        model, layout = create_model(net, num_classes=CLASSES), torch.channels_last
    model = model.to("cuda", memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(batch, 3, side, side, device="cuda").to(memory_format=layout)
    labels = torch.randint(CLASSES, (batch,), device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16) if kind == "timm" else nullcontext():
            loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    kind, net, side, batch = sys.argv[1:]
    step = step_of(kind, net, int(side), int(batch))
    for _ in range(WARMUP):
        step()
    torch.cuda.synchronize()
    print("ready", flush=True)
    for line in sys.stdin:
        start = perf_counter()
        for _ in range(int(line)):
            step()
        torch.cuda.synchronize()
        print(perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
