"""Fit the network of `warehouse.news.network` to masked texts and what they are of the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from warehouse.news import network
from warehouse.news.sentiment import LABELS
from warehouse.news.tuning import Weights, adam, left_out, pretrained

LEAST_TEXTS = 3
WIDTH, PLACE_WIDTH, FILTERS = 96, 16, 128
EPOCHS, RATE, WARM_UP, DECAY, DROPOUT, SMOOTHING = 14, 1.5e-3, 0.1, 1e-2, 0.3, 0.05
# Share of words that are hidden from it, so that it learns to do without.
HIDDEN = 0.05
# Texts on which it is seen how large states are, and the share of them that is told exactly.
CALIBRATED, MOST_WITHIN = 5000, 0.9998
# Components of the pretrained word vectors are found on so many of them.
SAMPLE = 8000


def _vocabulary_of(spelled: Sequence[Sequence[str]]) -> list[str]:
    """Return the words that stand in enough texts."""
    counts = Counter(word for words in spelled for word in set(words))
    return sorted(word for word, count in counts.items() if count >= LEAST_TEXTS)


def _start(vocabulary: Sequence[str], seed: int) -> Weights:
    """Return weights to begin with: MiniLM's vectors in fewer components, the rest random."""
    stored, tokenizer = pretrained()
    pieces = stored["embeddings.word_embeddings.weight"]
    apart = pieces - pieces.mean(0)
    sample = np.random.RandomState(0).choice(len(pieces), SAMPLE, replace=False)
    components = np.linalg.svd(apart[sample], full_matrices=False)[2][:WIDTH]
    vectors = apart @ components.T
    vectors *= 0.5 / vectors.std()
    words = np.zeros((len(vocabulary) + 2, WIDTH), np.float32)
    for row, word in enumerate(vocabulary, start=2):
        if ids := tokenizer.encode(word, add_special_tokens=False).ids:
            words[row] = vectors[ids].mean(0)
    random = np.random.RandomState(seed)

    def drawn(*size: int, scale: float) -> Any:
        return (random.randn(*size) * scale).astype(np.float32)

    weights = {
        "words": words,
        "places": drawn(network.PLACES, PLACE_WIDTH, scale=1.0),
        "attention": drawn(FILTERS, 1, scale=0.05),
        "head": drawn(3 * FILTERS, len(LABELS), scale=0.05),
        "head_bias": np.zeros(len(LABELS), np.float32),
    }
    for n, _ in enumerate(network.DILATIONS):
        size = 3 * (FILTERS if n else WIDTH + PLACE_WIDTH)
        weights[f"filters_{n}"] = drawn(size, FILTERS, scale=float(np.sqrt(2 / size)))
        weights[f"bias_{n}"] = np.zeros(FILTERS, np.float32)
    return weights


def fit(
    spelled: Sequence[Sequence[str]], chances: Any, counted: Any, seed: int = 0
) -> network.Network:
    """Return the network for texts, given as the shapes of their words.

    `chances` are what each text is of the labels, (texts, 3), `counted` how much it counts.
    """
    import jax
    import jax.numpy as jnp

    vocabulary = _vocabulary_of(spelled)
    begun = network.Network(vocabulary, _start(vocabulary, seed))
    numbered, places = begun.numbered(spelled)
    chances = (np.asarray(chances) * (1 - SMOOTHING) + SMOOTHING / len(LABELS)).astype(np.float32)
    counted = np.asarray(counted, np.float32)
    steps = EPOCHS * sum(1 for _ in network.batches(numbered, places, whole=True))

    def loss(weights: Weights, words: Any, beside: Any, wanted: Any, weight: Any, key: Any) -> Any:
        def thinned(state: Any, name: str) -> Any:
            own = jax.random.fold_in(key, network.PRODUCTS.index(name))
            return state if name == "attention" else left_out(state, own, DROPOUT)

        hidden = jax.random.bernoulli(key, HIDDEN, words.shape) & (words != network.NONE)
        words = jnp.where(hidden, network.UNKNOWN, words)
        logs = jax.nn.log_softmax(network.read(words, beside, weights, thinned, jnp))
        return -((logs * wanted).sum(-1) * weight).sum() / weight.size

    def step(state: Any, words: Any, beside: Any, wanted: Any, weight: Any, n: Any) -> Any:
        key = jax.random.fold_in(jax.random.PRNGKey(seed), n)
        slopes = jax.grad(loss)(state[0], words, beside, wanted, weight, key)
        warm = WARM_UP * steps
        falling = 0.5 * (1 + jnp.cos(jnp.pi * (n - warm) / (steps - warm)))
        return adam(state, slopes, RATE * jnp.where(n < warm, n / warm, falling), n, DECAY)

    compiled = jax.jit(step)
    zeros = {name: np.zeros_like(value) for name, value in begun.weights.items()}
    state, n = (begun.weights, zeros, zeros), 0
    random = np.random.RandomState(seed)
    for _ in range(EPOCHS):
        order = random.permutation(len(numbered))
        shuffled = ([numbered[i] for i in order], [places[i] for i in order])
        found = list(network.batches(*shuffled, whole=True))
        for place in random.permutation(len(found)):
            chosen, words, beside = found[place]
            own, fill, n = order[chosen], (0, len(words) - len(chosen)), n + 1
            state = compiled(
                state, words, beside, np.pad(chances[own], (fill, (0, 0))),
                np.pad(counted[own], fill), np.float32(n),
            )  # fmt: skip
    weights = {name: np.asarray(value) for name, value in state[0].items()}
    return _in_whole_steps(vocabulary, weights, spelled[:: -(-len(spelled) // CALIBRATED)])


def _in_whole_steps(
    vocabulary: Sequence[str], weights: Weights, spelled: Sequence[Sequence[str]]
) -> network.Network:
    """Return the network whose weights are whole numbers, and whose states are on these texts."""
    steps: Weights = {}
    told = dict(weights)
    vectors = np.abs(np.concatenate([weights["words"].ravel(), weights["places"].ravel()]))
    steps["vector_step"] = np.quantile(vectors, MOST_WITHIN) / network.MOST_WEIGHT
    most = network.MOST_WEIGHT
    for name in network.VECTORS:
        whole = np.rint(weights[name] / steps["vector_step"])
        told[name] = np.clip(whole, -most, most) * steps["vector_step"]
    seen: dict[str, list[float]] = {name: [] for name in network.PRODUCTS}

    def looked_at(state: Any, name: str) -> Any:
        seen[name].append(float(np.quantile(state, MOST_WITHIN)))
        return state

    begun = network.Network(vocabulary, told)
    for _, words, places in network.batches(*begun.numbered(spelled)):
        network.read(words, places, told, looked_at)
    for name in network.PRODUCTS:
        step = np.abs(weights[name]).max(0) / most
        state_step = np.mean(seen[name]) / network.MOST_STATE
        # What the first filters are multiplied with is the vectors themselves.
        state_step = steps["vector_step"] if name == "filters_0" else state_step
        told[name] = np.rint(weights[name] / step)
        steps[f"{name}_state_step"] = state_step
        # One factor takes a sum of whole steps back to its units.
        steps[f"{name}_step"] = step * state_step
    return network.Network(
        vocabulary,
        {name: np.asarray(value, np.float32) for name, value in {**told, **steps}.items()},
    )
