"""How hard the made world is: HOG + SVM (RBF, C = 10 for all) on the levels of `drawn`, beside what it takes a net to do.

    python bench/drawn.py

The nets' side is `python bench/digits.py --data drawn-hard --seeds 3`.
"""

import numpy as np
from skimage.feature import hog
from sklearn.svm import SVC

from konvolut.images.sources import open_images


def features(split, count):
    pictures = (split.picture(i) for i in range(min(count, len(split))))
    return np.stack(
        [hog(p, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2), channel_axis=2) for p in pictures]
    )


for level in ("drawn-easy", "drawn", "drawn-hard"):
    splits = open_images(level, val=0.0).splits
    machine = SVC(C=10.0).fit(features(splits["train"], 4000), splits["train"].labels)
    print(f"{level}: HOG + SVM {machine.score(features(splits['test'], 1000), splits['test'].labels):.3f}")
