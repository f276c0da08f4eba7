"""A loader of another environment, for bench/loading.py: `python loading_peer.py torchvision|webdataset FOLDER PACK`.

Says "ready", then goes through an epoch for every line on its standard input and says how many pictures came.
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

SIDE, BATCH, WORKERS = 224, 64, 2


def loader(kind: str, folder: str, pack: str) -> DataLoader:
    recipe = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    if kind == "torchvision":
        pictures = datasets.ImageFolder(folder, recipe)
        return DataLoader(pictures, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    import webdataset

    shards = sorted(map(str, Path(pack).glob("*.tar")))
    pictures = (
        webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
        .shuffle(1000)
        .decode("pil")
        .to_tuple("jpg", "cls")
        .map_tuple(recipe, int)
    )
    return DataLoader(pictures.batched(BATCH), None, num_workers=WORKERS, persistent_workers=True)


def main() -> None:
    torch.set_num_threads(WORKERS)
    found = loader(*sys.argv[1:])
    print("ready", flush=True)
    for _ in sys.stdin:
        print(sum(len(images) for images, _ in found), flush=True)


if __name__ == "__main__":
    main()
