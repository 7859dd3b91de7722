"""How a masked text leans, by a small convolutional network that reads its words in order.

The table of terms adds up what stands in a text; this sees what belongs to what. Three layers of
convolution over word vectors and each word's place beside the target, pooled by attention, by
maximum and at the target (in the manner of Kim 2014, "Convolutional Neural Networks for Sentence
Classification"). `warehouse.news.train` makes its weights, `network.npz`.

States are multiplied with weights in whole steps, of nine and eight bits, and 384 products of
them stay below 2^24, up to where sums of 32-bit floats are exact in any order. So a text is told
the same alone or among others. What stands behind 48 words is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from warehouse.news.text import TARGET

WEIGHTS = Path(__file__).with_suffix(".npz")
# Numbers of no word and of a word that is not known; those that are follow.
NONE, UNKNOWN = 0, 1
MOST_WORDS = 48
# Texts of about one length are read together, padded to it.
LENGTHS = (*range(8, MOST_WORDS, 4), MOST_WORDS)
BATCH_WORDS = 2048
DILATIONS = (1, 2, 4)
# A word's place is how far it stands from the nearest mention of the target, at most so far; 0
# without a target.
FARTHEST = 8
PLACES = 2 * FARTHEST + 2
_AT_TARGET = FARTHEST + 1
# What is multiplied with what comes in: a filter for each dilation, then these.
PRODUCTS = (*(f"filters_{n}" for n, _ in enumerate(DILATIONS)), "attention", "head")
MOST_WEIGHT, MOST_STATE = 127, 255
VECTORS = ("words", "places")

Weights = Mapping[str, Any]


def read(
    words: Any, places: Any, weights: Weights, stepped: Callable[[Any, str], Any], xp: Any = np
) -> Any:
    """Return logits of shape (texts, 3) of the numbers and places of words, (texts, length) each.

    `stepped(state, name)` is a state as it is multiplied with weights of `PRODUCTS`; `xp` is numpy,
    or stands in for it where the weights are trained.
    """

    def product(state: Any, name: str) -> Any:
        return (state @ weights[name]) * weights.get(f"{name}_step", 1.0)

    texts, length = words.shape
    real = (words != NONE).astype(np.float32)[..., None]
    state = xp.concatenate([weights["words"][words], weights["places"][places]], -1) * real
    for n, dilation in enumerate(DILATIONS):
        seen = stepped(state, f"filters_{n}")
        wider = xp.pad(seen, ((0, 0), (dilation, dilation), (0, 0)))
        taps = [wider[:, k * dilation : k * dilation + length] for k in range(3)]
        flat = xp.concatenate(taps, -1).reshape(texts * length, -1)
        more = xp.maximum(product(flat, f"filters_{n}") + weights[f"bias_{n}"], 0)
        more = more.reshape(texts, length, -1) * real
        state = state + more if n else more
    seen = stepped(state, "attention").reshape(texts * length, -1)
    powers = xp.exp(xp.minimum(product(seen, "attention"), 30.0)).reshape(texts, length, 1) * real
    attended = (state * powers).sum(1) / xp.maximum(powers.sum(1), 1e-9)
    at_target = (places == _AT_TARGET).astype(np.float32)[..., None] * real
    count = at_target.sum(1)
    target = xp.where(count > 0, (state * at_target).sum(1) / xp.maximum(count, 1), attended)
    # No state is negative, so that what is no word is no maximum.
    told = stepped(xp.concatenate([attended, state.max(1), target], -1), "head")
    return product(told, "head") + weights["head_bias"]


def placed(spelled: Sequence[str]) -> list[int]:
    """Return the place of each word beside the nearest mention of the target."""
    marks = [i for i, word in enumerate(spelled) if word == TARGET]
    if not marks:
        return [0] * len(spelled)
    return [
        _AT_TARGET + max(-FARTHEST, min(FARTHEST, min((i - mark for mark in marks), key=abs)))
        for i in range(len(spelled))
    ]


def batches(
    numbered: Sequence[Sequence[int]], places: Sequence[Sequence[int]], whole: bool = False
) -> Iterator[tuple[list[int], Any, Any]]:
    """Yield which texts, and their words and places, padded, of texts about as long as one another.

    `whole`: all batches of one length are of one size, filled up with no words.
    """
    by_length: dict[int, list[int]] = {}
    for i, told in enumerate(numbered):
        by_length.setdefault(next(n for n in LENGTHS if len(told) <= n), []).append(i)
    for length, members in by_length.items():
        most = BATCH_WORDS // length
        for start in range(0, len(members), most):
            chosen = members[start : start + most]
            size = most if whole else len(chosen)
            words = np.full((size, length), NONE, np.int32)
            beside = np.zeros((size, length), np.int32)
            for row, i in enumerate(chosen):
                words[row, : len(numbered[i])] = numbered[i]
                beside[row, : len(numbered[i])] = places[i]
            yield chosen, words, beside


class Network:
    """The weights as whole numbers, with the step of each and of what they are multiplied with."""

    def __init__(self, vocabulary: Sequence[str], weights: Weights) -> None:
        """Take both as they are."""
        self.vocabulary, self.weights = vocabulary, weights
        self._numbers = {word: n for n, word in enumerate(vocabulary, start=UNKNOWN + 1)}

    def numbered(self, spelled: Sequence[Sequence[str]]) -> tuple[list[list[int]], list[list[int]]]:
        """Return the numbers and the places of the words of texts, given as shapes of words."""
        cut = [told[:MOST_WORDS] for told in spelled]
        of = self._numbers.get
        return [[of(word, UNKNOWN) for word in told] for told in cut], [placed(t) for t in cut]

    def logits(self, spelled: Sequence[Sequence[str]]) -> Any:
        """Return logits of shape (texts, 3) of texts, given as the shapes of their words."""
        found = np.zeros((len(spelled), 3), np.float32)
        for chosen, words, places in batches(*self.numbered(spelled)):
            found[chosen] = read(words, places, self.weights, self._stepped)
        return found

    def _stepped(self, state: Any, name: str) -> Any:
        """Return a state in whole steps of what is multiplied with these weights."""
        steps = np.rint(state * (1 / self.weights[f"{name}_state_step"]))
        return np.clip(steps, -MOST_WEIGHT, MOST_STATE, out=steps)

    def scaled(self, factor: float) -> Network:
        """Return the network whose logits are so many times those of this one."""
        of_head = {
            name: self.weights[name] * np.float32(factor) for name in ("head_step", "head_bias")
        }
        return Network(self.vocabulary, {**self.weights, **of_head})

    def save(self, path: Path = WEIGHTS) -> None:
        """Write it, whole numbers as bytes."""
        vectors = {
            name: np.rint(self.weights[name] / self.weights["vector_step"]) for name in VECTORS
        }
        whole = {name: self.weights[name] for name in PRODUCTS}
        np.savez_compressed(
            path,
            allow_pickle=False,
            vocabulary=np.frombuffer("\n".join(self.vocabulary).encode(), np.uint8),
            **{
                **self.weights,
                **{name: value.astype(np.int8) for name, value in {**vectors, **whole}.items()},
            },
        )


@cache
def opened() -> Network:
    """Return the network that ships, read once."""
    with np.load(WEIGHTS) as stored:
        told = {name: stored[name] for name in stored.files}
    vocabulary = told.pop("vocabulary").tobytes().decode().split("\n")
    weights = {name: value.astype(np.float32) for name, value in told.items()}
    vectors = {name: weights[name] * weights["vector_step"] for name in VECTORS}
    return Network(vocabulary, {**weights, **vectors})
