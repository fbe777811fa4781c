"""Lempel-Ziv complexity against published examples and against what the definition says, searched for naively."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l.errors import ObservableError
from l2l.observables.lempel_ziv import lempel_ziv, lempel_ziv_matrix


def _history(text: str) -> list[str]:
    """The exhaustive history: each word is the shortest that does not occur before its last symbol."""
    words, start = [], 0
    while start < len(text):
        end = start + 1
        while end <= len(text) and text[start:end] in text[: end - 1]:
            end += 1
        words.append(text[start:end])
        start = end
    return words


def _columns(matrix: np.ndarray) -> int:
    """The flow chart of Casali et al. (2013), with Python's search of substrings."""
    texts = ["".join(map(str, column)) for column in matrix.T]
    words = 0
    for place, text in enumerate(texts):
        start = 0
        while start < len(text):
            size = 1
            while start + size <= len(text):
                word = text[start : start + size]
                if not any(word in past for past in texts[:place]) and word not in text[: start + size - 1]:
                    words += 1
                    break
                size += 1
            start += size
    return words + 1


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ("0001101001000101", 6),  # Lempel and Ziv (1976): 0 001 10 100 1000 101
        ("0010", 3),  # Kaspar and Schuster (1987), section II: 0 01 0
        ("0" * 50, 2),  # there: the least complex sequence
        ("01" * 30, 3),  # there: 0 1 0101...
        ("0", 1),
        ("AACGTACCATTG", 7),  # Otu and Sayood (2003), Bioinformatics 19:2122: A AC G T ACC AT TG
    ],
)
def test_published_words(sequence: str, words: int) -> None:
    assert lempel_ziv(sequence) == words


def test_numbers_and_truth_values_are_sequences_too() -> None:
    bits = [int(c) for c in "0001101001000101"]
    assert lempel_ziv(bits) == lempel_ziv(np.array(bits, dtype=bool)) == lempel_ziv(np.array(bits) * 1000 - 7) == 6


@given(st.text(alphabet="01", min_size=1, max_size=300))
def test_the_automaton_finds_the_history_of_bits(text: str) -> None:
    assert lempel_ziv(text) == len(_history(text))


@given(st.text(alphabet="abc", min_size=1, max_size=120), st.integers(1, 4))
def test_the_automaton_finds_the_history_of_repeated_letters(text: str, times: int) -> None:
    assert lempel_ziv(text * times) == len(_history(text * times))


@given(st.integers(1, 12), st.integers(1, 30), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_the_automaton_follows_the_flow_chart(nodes: int, times: int, density: float, seed: int) -> None:
    matrix = (np.random.default_rng(seed).random((nodes, times)) < density).astype(int)
    assert lempel_ziv_matrix(matrix) == _columns(matrix)


def test_a_matrix_of_one_column_repeated() -> None:
    # The second and every later column occurs earlier as a whole.
    matrix = np.tile(np.array([[0], [0], [1], [1], [0]]), 9)
    assert lempel_ziv_matrix(matrix) == lempel_ziv_matrix(matrix[:, :1])


def test_random_bits_approach_n_over_log_n_and_are_counted_quickly() -> None:
    n = 200_000
    words = lempel_ziv(np.random.default_rng(0).random(n) < 0.5)
    # The limit for random sequences (Lempel and Ziv 1976), approached from above as 1 + O(log log n / log n).
    assert 1.0 < words * np.log2(n) / n < 1.15


@pytest.mark.parametrize("sequence", ["", [], [[0, 1]], [0.5, 1.0], np.arange(257)])
def test_sequences_that_are_refused(sequence: object) -> None:
    with pytest.raises(ObservableError, match=r"Lempel-Ziv complexity needs|at most 256"):
        lempel_ziv(sequence)  # type: ignore[arg-type]


@pytest.mark.parametrize("matrix", [[0, 1], [[0, 2]], [[0.0, np.nan]], np.zeros((3, 0))])
def test_matrices_that_are_refused(matrix: object) -> None:
    with pytest.raises(ObservableError, match=r"\(node, time\) of 0 and 1"):
        lempel_ziv_matrix(matrix)  # type: ignore[arg-type]
