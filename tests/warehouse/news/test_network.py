"""The network reads words in their order, the same whatever stands beside a text."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from warehouse.news import network
from warehouse.news.text import TARGET

WORDS = [TARGET, "othx", "falls", "surges", "as", "profit", "0%", "unheard-of", ","]


def texts(count: int) -> list[list[str]]:
    random.seed(1)
    return [random.choices(WORDS, k=random.randint(0, 60)) for _ in range(count)]


def test_a_text_is_told_the_same_alone_and_among_others() -> None:
    read = network.opened()
    told = [*texts(500), [], [TARGET]]
    together = read.logits(told)
    alone = np.vstack([read.logits([text]) for text in told[::25]])
    assert np.array_equal(together[::25], alone)
    assert np.isfinite(together).all()


def test_who_does_what_is_read_from_the_order_of_words() -> None:
    """Both texts hold the same words, so that a bag of them is told the same of both."""
    falls, rises = network.opened().logits(
        [[TARGET, "falls", "as", "othx", "surges"], [TARGET, "surges", "as", "othx", "falls"]]
    )
    assert falls.argmax() == 0
    assert rises.argmax() == 2


def product(state: np.ndarray, weights: network.Weights, name: str) -> np.ndarray:
    """Multiply in whole numbers of 64 bits."""
    steps = np.clip(np.rint(state / weights[f"{name}_state_step"]), -127, 255).astype(np.int64)
    whole: np.ndarray = steps @ weights[name].astype(np.int64) * weights[f"{name}_step"]
    return whole


def reference(weights: network.Weights, words: list[int], places: list[int]) -> np.ndarray:
    """Read one text word by word, without padding: what the layers are said to be."""
    state = [
        np.concatenate([weights["words"][w], weights["places"][p]])
        for w, p in zip(words, places, strict=True)
    ]
    for n, dilation in enumerate(network.DILATIONS):
        nothing = np.zeros_like(state[0])
        more = []
        for i in range(len(state)):
            around = [
                state[j] if 0 <= j < len(state) else nothing
                for j in (i - dilation, i, i + dilation)
            ]
            sums = product(np.concatenate(around), weights, f"filters_{n}")
            more.append(np.maximum(sums + weights[f"bias_{n}"], 0))
        state = more if n == 0 else [a + b for a, b in zip(state, more, strict=True)]
    powers = np.exp([product(one, weights, "attention")[0] for one in state])
    attended = sum(p * one for p, one in zip(powers / powers.sum(), state, strict=True))
    here = network.placed([TARGET])[0]
    named = [one for one, place in zip(state, places, strict=True) if place == here]
    target = np.mean(named, axis=0) if named else attended
    told = np.concatenate([attended, np.max(state, axis=0), target])
    logits: np.ndarray = product(told, weights, "head") + weights["head_bias"]
    return logits


def test_batches_are_read_as_texts_are_one_by_one() -> None:
    read = network.opened()
    told = [text for text in texts(60) if text]
    numbered, places = read.numbered(told)
    expected = [reference(read.weights, *one) for one in zip(numbered, places, strict=True)]
    # A state that lies half way between two steps may fall to either.
    assert np.abs(read.logits(told) - np.array(expected)).max() < 0.02


def test_no_sum_of_products_can_round() -> None:
    weights = network.opened().weights
    for name in network.PRODUCTS:
        most = network.MOST_WEIGHT if name == "filters_0" else network.MOST_STATE
        assert np.array_equal(weights[name], np.rint(weights[name]))
        assert np.abs(weights[name]).max() <= network.MOST_WEIGHT
        assert np.abs(weights[name]).sum(0).max() * most < 2**24


def test_places_are_told_from_the_nearest_mention() -> None:
    here = network.placed([TARGET])[0]
    assert network.placed(["a", TARGET, "b", "c", TARGET]) == [
        here - 1, here, here + 1, here - 1, here,
    ]  # fmt: skip
    assert network.placed(["a"] * 20 + [TARGET])[:13] == [here - network.FARTHEST] * 13
    assert network.placed(["a", "b"]) == [0, 0]


def test_what_is_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = network.opened()
    monkeypatch.setattr(network, "WEIGHTS", tmp_path / "again.npz")
    read.save(network.WEIGHTS)
    again = network.opened.__wrapped__()
    assert again.vocabulary == read.vocabulary
    assert again.weights.keys() == read.weights.keys()
    assert all(np.array_equal(again.weights[name], read.weights[name]) for name in read.weights)
