# mypy: disable-error-code="untyped-decorator"
"""Lempel-Ziv complexity (1976) of sequences and of binary matrices, in time proportional to their length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from l2l.errors import ObservableError

ALPHABET = 256


def lempel_ziv(sequence: str | ArrayLike) -> int:
    """The number of words in the exhaustive history of a sequence (LZ76).

    sequence: a string, or (time,) of integers or booleans; up to 256 different symbols.
    A word goes on as long as it occurs earlier (overlapping itself if need be) and ends with the first symbol that
    makes it new; a last word that is not new counts as well. 0001101001000101 has 6: 0 001 10 100 1000 101.
    Raises ObservableError for an empty sequence, several dimensions, or floating-point numbers.
    Source: Lempel, Ziv (1976), IEEE Trans. Inf. Theory 22:75; Kaspar, Schuster (1987), Phys. Rev. A 36:842.
    """
    symbols: NDArray[Any] = np.array(list(sequence)) if isinstance(sequence, str) else np.asarray(sequence)
    if symbols.ndim != 1 or not symbols.size or symbols.dtype.kind not in "biuU":
        raise ObservableError(
            f"Lempel-Ziv complexity needs a sequence (time,) of integers or booleans, or a string, with a symbol or "
            f"more, but got shape {symbols.shape} of {symbols.dtype}: binarise signals first"
        )
    known, codes = np.unique(symbols, return_inverse=True)
    if len(known) > ALPHABET:
        raise ObservableError(f"at most {ALPHABET} different symbols are counted, but got {len(known)}")
    words, rest = _words(codes.astype(np.uint8).reshape(1, -1), len(known))
    return int(words) + (1 if rest else 0)


def lempel_ziv_matrix(binary: ArrayLike) -> int:
    """The Lempel-Ziv complexity of a binary matrix, as the perturbational complexity index counts it.

    binary: (node, time), of 0 and 1. Column after column in order of time is read from the first node to the last. A
    word ends with its column; it is sought in each earlier column and in what of its own column precedes its last
    symbol, never across two columns. A word that its column cuts off is not counted; 1 is added at the end.
    Raises ObservableError for another shape or other values.
    Source: Casali et al. (2013), Sci. Transl. Med. 5:198ra105, supplementary material, the flow chart of the algorithm.
    """
    matrix = np.asarray(binary)
    if matrix.ndim != 2 or not matrix.size or not np.isin(matrix, (0, 1)).all():
        raise ObservableError(
            f"a matrix (node, time) of 0 and 1 is needed, but got shape {matrix.shape}: binarise first"
        )
    words, _ = _words(np.ascontiguousarray(matrix.T, dtype=np.uint8), 2)
    return int(words) + 1


@njit(nogil=True, cache=True)
def _words(texts: NDArray[np.uint8], alphabet: int) -> tuple[int, int]:
    """How many words end within the texts (text, symbol), and how long the one is that the last text cuts off.

    A suffix automaton of all that was read (Blumer et al. 1985, Theor. Comput. Sci. 40:31) answers in constant time
    whether a word that goes on still occurs. `at` is the state of the word, `size` its length.
    """
    most = 2 * texts.size + 2
    to = np.full((most, alphabet), -1, np.int32)
    link = np.full(most, -1, np.int32)
    length = np.zeros(most, np.int32)
    states = 1
    words, size = 0, 0
    for row in range(texts.shape[0]):
        last, at, size = 0, 0, 0
        for column in range(texts.shape[1]):
            symbol = texts[row, column]
            if to[at, symbol] >= 0:
                at = to[at, symbol]
                size += 1
            else:
                words += 1
                at, size = 0, 0
            # The automaton learns the symbol only now: the word was sought in what precedes it.
            known = to[last, symbol]
            if known >= 0 and length[known] == length[last] + 1:
                last = known
            else:
                new = -1
                if known < 0:
                    new = states
                    states += 1
                    length[new] = length[last] + 1
                    above = last
                    while above >= 0 and to[above, symbol] < 0:
                        to[above, symbol] = new
                        above = link[above]
                else:
                    above = last
                if above < 0:
                    link[new] = 0
                else:
                    split = to[above, symbol]
                    if length[split] == length[above] + 1:
                        link[new] = split
                    else:
                        clone = states
                        states += 1
                        length[clone] = length[above] + 1
                        to[clone] = to[split]
                        link[clone] = link[split]
                        link[split] = clone
                        while above >= 0 and to[above, symbol] == split:
                            to[above, symbol] = clone
                            above = link[above]
                        if new >= 0:
                            link[new] = clone
                        else:
                            new = clone
                last = new
            # A split may have moved the word to the shorter of two states.
            while link[at] >= 0 and length[link[at]] >= size:
                at = link[at]
    return words, size
