"""Mistakes, ranked by hand on pictures whose probabilities are known."""

import csv

import numpy as np

from konvolut.lens.mistakes import Mistake, confused, mistakes, write_csv
from konvolut.training.metrics import Evaluation


def evaluation(probabilities, labels, names=None):
    names = names or tuple(f"p{i}.png" for i in range(len(labels)))
    logits = np.log(np.array(probabilities, dtype=np.float64)).astype(np.float32)
    return Evaluation("test", ("cat", "dog", "eel"), tuple(names), np.array(labels, dtype=np.int64), logits)


def read(path):
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))


FOUR = evaluation(
    [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.05, 0.9, 0.05], [0.25, 0.25, 0.5]],
    [0, 1, 0, 0],  # right; wrong with 0.3 left for the truth; with 0.05; with 0.25
)


def test_the_least_probable_truth_comes_first():
    found = mistakes(FOUR)
    assert [m.name for m in found] == ["p2.png", "p3.png", "p1.png"]
    assert (found[0].truth, found[0].answer) == ("cat", "dog")
    np.testing.assert_allclose([found[0].confidence, found[0].truth_probability], [0.9, 0.05], rtol=1e-6)


def test_truths_whose_probability_rounds_to_zero_still_have_an_order():
    logits = np.array([[2000, 0, 0], [3000, 0, 0]], dtype=np.float32)
    held = Evaluation("test", ("cat", "dog", "eel"), ("a", "b"), np.array([1, 1]), logits)
    assert mistakes(held) == [Mistake("b", "dog", "cat", 1.0, 0.0), Mistake("a", "dog", "cat", 1.0, 0.0)]


def test_the_file_holds_every_mistake_in_that_order(tmp_path):
    rows = read(write_csv(tmp_path / "mistakes.csv", FOUR))
    assert rows == [
        ["name", "truth", "answer", "confidence", "truth_probability"],
        ["p2.png", "cat", "dog", "0.900000", "0.050000"],
        ["p3.png", "cat", "eel", "0.500000", "0.250000"],
        ["p1.png", "dog", "cat", "0.500000", "0.300000"],
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["mistakes.csv"]


def test_names_with_commas_quotes_and_foreign_bytes_come_back(tmp_path):
    names = ('a,"b".png', "caf\udce9.png")
    path = write_csv(tmp_path / "m.csv", evaluation([[0.2, 0.7, 0.1], [0.1, 0.8, 0.1]], [0, 0], names))
    rows = read(path)
    assert [row[0] for row in rows[1:]] == ["caf\udce9.png", 'a,"b".png']


def test_no_mistake_is_an_empty_list_and_a_header(tmp_path):
    right = evaluation([[0.7, 0.2, 0.1]], [0])
    assert mistakes(right) == []
    assert confused(right) == []
    assert write_csv(tmp_path / "m.csv", right).read_text().count("\n") == 1


def test_confused_pairs_go_by_count_then_by_share():
    answer = {"cat": [0.8, 0.1, 0.1], "dog": [0.1, 0.8, 0.1], "eel": [0.1, 0.1, 0.8]}
    shown = [("cat", "dog")] * 2 + [("dog", "eel")] * 2 + [("dog", "dog")] + [("eel", "cat")]
    held = evaluation([answer[a] for _, a in shown], [list(answer).index(t) for t, _ in shown])
    assert confused(held) == [("cat", "dog", 2, 2), ("dog", "eel", 2, 3), ("eel", "cat", 1, 1)]
