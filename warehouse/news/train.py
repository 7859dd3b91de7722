"""Make the weights of the news scorer from labelled sets that may be trained on.

    python -m warehouse.news.teacher FOLDER TAUGHT
    python -m warehouse.news.train FOLDER TAUGHT [--check]

FOLDER holds `twitter_sentiment_train.csv` and `twitter_topic_train.csv` (zeroshot's Twitter
financial news sentiment and topic, MIT), `sentfin/SEntFiN.csv` (SEntFiN 1.0, MIT) and
`desk_news.parquet` (headlines whose labels are ours). TAUGHT is the folder that
`warehouse.news.teacher` wrote: texts with its probabilities. What the recipe scores on a fold that
neither it nor the teacher was trained on is printed; how table and network share and from where a
label is kept are fitted to that fold. The seeds and the weights of the network are written in
place, with `--check` not. It takes twenty minutes of two cores. Needs the dependency group `train`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from warehouse.news import features, network, topics, train_network
from warehouse.news.sentiment import BIAS, BLOCK_SCALES, LABELS, block
from warehouse.news.text import OTHER, TARGET, TITLE_CHARACTERS, clean, plain, shape, words
from warehouse.settings import SEEDS

# Texts of our own with their labels, and labels of topics.
LABELLED = Path(__file__).parent / "labelled"
FOLDS = 5
SENTIMENT_TERMS = 60_000
SENTIMENT_C, SENTIMENT_STEPS = 3.0, 300
# What a text counts whose label a teacher told, beside one a person labelled.
TAUGHT_WEIGHT = 1.0
# Texts of our own are few beside the sets, and of more kinds.
OWN_WEIGHT = 2.0
# The teacher has not seen these examples, so what the recipe scores is measured on them.
UNSEEN_FOLD = 0
TOPIC_C = 12.0
# What a text counts that was read for its topics, and one that has but a class or a rule's.
LABEL_COUNTS, CLASS_COUNTS = 5.0, 0.2
# What a headline counts that the teacher told of and was sure of.
TAUGHT_TOPIC_COUNTS = 1.0
LEAST_TEXTS = 2
FREQUENT_FROM = 3
# A kept label of the default scorer is right in at least this share of texts it was not trained on.
KEPT_RIGHT = 0.88
# So sure the table must be of a topic by itself, and of one that a rule tells.
TOPIC_FROM, RULE_FROM = 0.5, 0.02

# A name may hold a quotation mark of the kind that stands around it.
_DECISION = re.compile(r"""['"]([^:]+)['"]: '(negative|neutral|positive)'""")
CASHTAG = re.compile(r"\$[A-Za-z][A-Za-z._]*")
_TWITTER_LABELS = ("negative", "positive", "neutral")
# What the twenty classes of the topic set are in our codes; the others are no code.
_TOPIC_CLASSES = {
    0: "ANALYST", 1: "MACRO", 4: "RETURN", 5: "EARN", 7: "EARN", 8: "MACRO", 10: "MACRO",
    11: "FIN", 13: "MA", 14: "MACRO", 15: "MOVE", 17: "LEAD", 19: "MOVE",
}  # fmt: skip
_TEXTS = (
    ("twitter_topic_train.csv", "text"),
    ("twitter_sentiment_train.csv", "text"),
    ("sentfin/SEntFiN.csv", "Title"),
)


@dataclass(frozen=True)
class Example:
    """A masked text with its label, the set it is of, and its identity across sets."""

    text: str
    label: str
    group: str
    key: str
    is_conflicting: bool = False

    @property
    def fold(self) -> int:
        """The fold of all examples of one headline."""
        return zlib.crc32(self.key.encode()) % FOLDS


def sentiment_examples(folder: Path) -> list[Example]:
    """Return the labelled texts of both sets, of our own and of `desk_news.parquet`, each once."""
    found: dict[str, Example] = {}
    for row in read(folder / "twitter_sentiment_train.csv"):
        text = clean(row["text"], TITLE_CHARACTERS)
        masked = CASHTAG.sub(f" {TARGET} ", text)
        label = _TWITTER_LABELS[int(row["label"])]
        found.setdefault(masked, Example(masked, label, "twitter", plain(CASHTAG.sub("", text))))
    for row in read(folder / "sentfin" / "SEntFiN.csv"):
        text = clean(row["Title"], TITLE_CHARACTERS)
        decisions = dict(_DECISION.findall(row["Decisions"]))
        differs = len(set(decisions.values())) > 1
        for entity, label in decisions.items():
            masked = mask(text, list(decisions), entity)
            example = Example(masked, label, "sentfin", plain(text), differs)
            found.setdefault(masked, example)
    texts = by_digest(folder)
    by_text: dict[tuple[str, str], dict[str, str]] = {}
    for row in read(LABELLED / "sentiment.csv"):
        group = "own" if row["text"] else "desk"
        text = _text_of(row, texts)
        told = by_text.setdefault((group, clean(text, TITLE_CHARACTERS)), {})
        told[row["company"]] = row["label"]
    for (group, text), labels in by_text.items():
        differs = len(set(labels.values())) > 1
        for company, label in labels.items():
            masked = mask(text, list(labels), company)
            found.setdefault(masked, Example(masked, label, group, plain(text), differs))
    return list(found.values())


def mask(text: str, entities: list[str], target: str) -> str:
    """Return the text with one entity as the target, the others as other companies."""
    for entity in sorted(entities, key=len, reverse=True):
        mark = TARGET if entity == target else OTHER
        name = re.compile(rf"(?<!\w){re.escape(entity)}(?!\w)", re.IGNORECASE)
        text = name.sub(f" {mark} ", text)
    return text


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class _Matrix:
    """Texts as a sparse matrix over a vocabulary, every kind of term scaled to one length."""

    def __init__(self, texts: list[set[str]], vocabulary: list[str]) -> None:
        from scipy.sparse import csr_matrix

        place = {term: i for i, term in enumerate(vocabulary)}
        values, columns, starts = [], [], [0]
        for found in texts:
            kinds: dict[int, list[int]] = {}
            for term in found:
                if term in place:
                    kinds.setdefault(block(term), []).append(place[term])
            for kind, members in sorted(kinds.items()):
                columns += sorted(members)
                values += [BLOCK_SCALES[kind] / np.sqrt(len(members))] * len(members)
            starts.append(len(columns))
        self.rows = csr_matrix((values, columns, starts), shape=(len(texts), len(vocabulary)))


def _vocabulary(texts: list[set[str]]) -> list[str]:
    counts = Counter(term for found in texts for term in found)
    return sorted(term for term, count in counts.items() if count >= LEAST_TEXTS)


def _fit_sentiment(texts: list[set[str]], chances: Any, counted: Any) -> tuple[list[str], Any, Any]:
    """Fit on all terms, keep the weightiest, fit again on those.

    `chances` are what each text is of the labels, of shape (texts, 3), `counted` how much it
    counts. Returns the terms, their weights of shape (terms, 3), and the bias.
    """
    vocabulary = _vocabulary(texts)
    sizes = np.abs(_softmax_regression(texts, vocabulary, chances, counted)[0]).max(axis=1)
    kept = sorted(vocabulary[i] for i in np.argsort(-sizes, kind="stable")[:SENTIMENT_TERMS])
    return kept, *_softmax_regression(texts, kept, chances, counted)


def _softmax_regression(
    texts: list[set[str]], vocabulary: list[str], chances: Any, counted: Any
) -> tuple[Any, Any]:
    """Return weights and bias; the rarer a term, the less its weight is held back."""
    from scipy.optimize import minimize

    rows = _Matrix(texts, vocabulary).rows
    rarity = np.sqrt(np.log((1 + len(texts)) / (1 + rows.getnnz(axis=0))) + 1)
    scale = (rarity / rarity.mean())[:, None]
    rows = rows.multiply(scale.T).tocsr()
    columns = rows.T.tocsr()
    size = 3 * len(vocabulary)

    def loss(told: Any) -> tuple[float, Any]:
        weights, bias = told[:size].reshape(-1, 3), told[size:]
        logits = rows @ weights + bias
        logits -= logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        slope = (np.exp(logs) - chances) * counted[:, None]
        total = (weights**2).sum() / (2 * SENTIMENT_C) - (logs * chances * counted[:, None]).sum()
        by_weight = columns @ slope + weights / SENTIMENT_C
        return float(total), np.concatenate([by_weight.ravel(), slope.sum(axis=0)])

    found = minimize(
        loss, np.zeros(size + 3), jac=True, method="L-BFGS-B",
        options={"maxiter": SENTIMENT_STEPS, "maxcor": 6, "ftol": 1e-7},
    ).x  # fmt: skip
    return found[:size].reshape(-1, 3) * scale, found[size:]


def _shares(parts: Sequence[Any], truth: Any) -> Any:
    """Return by what each of several logits counts in a sum whose probabilities are frequencies."""
    from scipy.optimize import minimize

    def loss(shares: Any) -> float:
        chances = _softmax(sum(share * part for share, part in zip(shares, parts, strict=True)))
        return float(-np.log(chances[np.arange(len(truth)), truth]).mean())

    return minimize(loss, np.full(len(parts), 1 / len(parts)), method="Nelder-Mead").x


def _softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def train_sentiment(
    folder: Path, taught: Path
) -> tuple[dict[str, list[float]], network.Network, dict[str, float], dict[str, Any]]:
    """Return the weights by term, the network, the settings, and the scores on the unseen fold."""
    examples = sentiment_examples(folder)
    truth = np.array([LABELS.index(example.label) for example in examples])
    is_own = np.array([example.group == "own" for example in examples])
    more = read(taught)
    more_chances = np.array([[float(row[label]) for label in LABELS] for row in more])
    spelled = [features.forms(example.text) for example in examples]
    spelled += [features.forms(row["text"]) for row in more]
    texts = [features.terms(one) for one in spelled]
    shapes = [[shape(form) for form in one] for one in spelled]

    def fit(where: Any) -> tuple[tuple[list[str], Any, Any], network.Network]:
        # Half way between the labels as frequent as they are and all alike.
        counts = np.bincount(truth[where])
        counted = np.sqrt(len(where) / len(counts) / counts)[truth[where]]
        chances = np.vstack([np.eye(3)[truth[where]], more_chances])
        own = np.where(is_own[where], OWN_WEIGHT, 1.0)
        told = [*where, *range(len(examples), len(spelled))]
        of_more = np.full(len(more), TAUGHT_WEIGHT)
        return (
            _fit_sentiment(
                [texts[i] for i in told], chances, np.concatenate([counted * own, of_more])
            ),
            train_network.fit(
                [shapes[i] for i in told], chances, np.concatenate([counted, of_more])
            ),
        )

    folds = np.array([example.fold for example in examples])
    unseen = np.flatnonzero(folds == UNSEEN_FOLD)
    (terms, weights, bias), found = fit(np.flatnonzero(folds != UNSEEN_FOLD))
    parts = [
        _Matrix([texts[i] for i in unseen], terms).rows @ weights + bias,
        found.logits([shapes[i] for i in unseen]),
    ]
    shares = _shares(parts, truth[unseen])
    chances = _softmax(sum(share * part for share, part in zip(shares, parts, strict=True)))
    (terms, weights, bias), found = fit(np.arange(len(examples)))
    table = {
        term: [round(float(value), 2) for value in weights[i] * shares[0]]
        for i, term in enumerate(terms)
    }
    table[BIAS] = [round(float(value), 3) for value in bias * shares[0]]
    found = found.scaled(shares[1])
    examples, truth = [examples[i] for i in unseen], truth[unseen]
    told, confidence = chances.argmax(axis=1), chances.max(axis=1)
    right = told == truth
    abstain_below = next(
        level
        for level in np.arange(0.34, 1.0, 0.01)
        if right[confidence >= level].mean() >= KEPT_RIGHT
    )
    report: dict[str, Any] = {"shares": [round(float(share), 2) for share in shares]}
    groups = {
        name: np.array([e.group == name for e in examples])
        for name in ("twitter", "sentfin", "own", "desk")
    }
    groups["sentfin conflicting"] = groups["sentfin"] & [e.is_conflicting for e in examples]
    for name, mask in groups.items():
        kept = mask & (confidence >= abstain_below)
        report[name] = {
            "texts": int(mask.sum()),
            "accuracy": round(100 * float(right[mask].mean()), 1),
            "macro_f1": round(100 * _macro_f1(told[mask], truth[mask]), 1),
            "kept_share": round(100 * float(kept.sum() / mask.sum()), 1),
            "kept_accuracy": round(100 * float(right[kept].mean()), 1),
            "negative_recall_at_90_precision": round(
                100 * _recall_at(chances[mask, 0], truth[mask] == 0, 0.9), 1
            ),
            "calibration_error": round(100 * _calibration_error(confidence[mask], right[mask]), 1),
        }
    return table, found, {"abstain_below": round(float(abstain_below), 2)}, report


def _macro_f1(told: Any, truth: Any) -> float:
    scores = []
    for label in range(3):
        hits = int(((told == label) & (truth == label)).sum())
        scores.append(2 * hits / max(1, int((told == label).sum() + (truth == label).sum())))
    return float(np.mean(scores))


def _recall_at(chances: Any, truth: Any, precision: float) -> float:
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(truth[order])
    good = np.flatnonzero(hits / np.arange(1, len(order) + 1) >= precision)
    return float(hits[good[-1]] / truth.sum()) if len(good) else 0.0


def _calibration_error(confidence: Any, right: Any) -> float:
    bins = np.minimum((confidence * 10).astype(int), 9)
    return float(
        sum(
            abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
            for b in np.unique(bins)
        )
    )


def digest(text: str) -> str:
    """Return what the labels of another's text are kept by."""
    return hashlib.sha256(plain(_unlinked(text)).encode()).hexdigest()[:16]


def by_digest(folder: Path) -> dict[str, str]:
    """Return the headlines that `folder` holds by their digests, cleaned."""
    desk = duckdb.execute(
        "select distinct title from read_parquet(?) where title <> '' order by title",
        [str(folder / "desk_news.parquet")],
    ).fetchall()
    texts = [title for (title,) in desk]
    for name, column in _TEXTS:
        texts += [row[column] for row in read(folder / name)]
    return {digest(text): _unlinked(text) for text in texts}


def _text_of(row: dict[str, str], texts: dict[str, str]) -> str:
    """Return the text of a label: our own stands in its row, another's is known by its digest."""
    if not row["text"] and row["digest"] not in texts:
        raise SystemExit(
            f"FOLDER holds no headline of the digest {row['digest']}: it is not what was labelled"
        )
    return row["text"] or texts[row["digest"]]


def topic_labels(folder: Path) -> dict[str, frozenset[str]]:
    """Return the labels of topics of texts: our own, and others' that `folder` holds."""
    texts = by_digest(folder)
    return {
        _unlinked(_text_of(row, texts)): frozenset(row["topics"].split())
        for row in read(LABELLED / "topics.csv")
    }


@dataclass(frozen=True)
class TopicExamples:
    """Texts, of which topics each is, how much that counts, and its fold, -1 for none.

    `wanted` and `counted` are of shape (texts, topics).
    """

    texts: list[str]
    wanted: Any
    counted: Any
    folds: Any


def topic_examples(folder: Path) -> TopicExamples:
    """Return the texts that were read for their topics, then those of the topic set.

    One of these is of a topic when its class is, or when a rule holds, and of none of the others
    where its class is one of them; where nothing tells, it does not count.
    """
    labels = topic_labels(folder)
    known = {plain(text) for text in labels}
    classes: dict[str, int] = {}
    for row in read(folder / "twitter_topic_train.csv"):
        if plain(_unlinked(row["text"])) not in known:
            classes.setdefault(_unlinked(row["text"]), int(row["label"]))
    of_labels = np.array([[topic in told for topic in topics.TOPICS] for told in labels.values()])
    of_class = [_TOPIC_CLASSES.get(label) for label in classes.values()]
    ruled = [{topic for topic, _ in topics.by_rule(_told_shapes(text))} for text in classes]
    of_classes = np.array(
        [
            [topic == own or topic in by_rule for topic in topics.TOPICS]
            for own, by_rule in zip(of_class, ruled, strict=True)
        ]
    )
    is_told = of_classes | np.array([own is not None for own in of_class])[:, None]
    return TopicExamples(
        [*labels, *classes],
        np.vstack([of_labels, of_classes]).astype(np.float32),
        np.vstack([np.full(of_labels.shape, LABEL_COUNTS), CLASS_COUNTS * is_told]),
        np.array(
            [zlib.crc32(plain(text).encode()) % FOLDS for text in labels] + [-1] * len(classes)
        ),
    )


def _told_shapes(text: str) -> list[str]:
    return topics.told_shapes(features.forms(text))


def unlabelled_headlines(folder: Path, but: Sequence[str]) -> list[str]:
    """Return the headlines that `folder` holds, without some."""
    known = {plain(text) for text in but}
    return [text for text in by_digest(folder).values() if plain(text) not in known]


def train_topics(folder: Path, taught: Path) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Return the weights by topic and term, and how well labels are found again.

    Beside labelled texts there are those that the teacher told of, each counted as sure as it was.
    """
    from sklearn.linear_model import LogisticRegression

    told = topic_examples(folder)
    more = read(taught)
    chances = np.array([[float(row[topic]) for topic in topics.TOPICS] for row in more])
    wanted = np.vstack([told.wanted, chances >= 0.5]) > 0
    counted = np.vstack([told.counted, TAUGHT_TOPIC_COUNTS * np.abs(2 * chances - 1)])
    spelled = [_told_shapes(text) for text in (*told.texts, *(row["text"] for row in more))]
    found = [features.word_terms(forms) for forms in spelled]
    vocabulary = _vocabulary(found)
    matrix = _Matrix(found, vocabulary).rows
    # At run time a text's length counts all its terms, known or not.
    for i, one in enumerate(found):
        start, end = matrix.indptr[i], matrix.indptr[i + 1]
        matrix.data[start:end] = 1 / np.sqrt(len(one) or 1)
    unseen = np.flatnonzero(told.folds == UNSEEN_FOLD)
    is_unseen = np.zeros(len(spelled), bool)
    is_unseen[unseen] = True
    ruled = [{topic for topic, _ in topics.by_rule(spelled[i])} for i in unseen]
    weights: dict[str, dict[str, float]] = {}
    report: dict[str, Any] = {}
    hits = np.zeros(3, int)
    for n, topic in enumerate(topics.TOPICS):

        def fit(where: Any) -> Any:
            model = LogisticRegression(
                C=TOPIC_C, l1_ratio=1.0, solver="liblinear", tol=1e-3, random_state=0
            )
            return model.fit(matrix[where], wanted[where, n], counted[where, n])  # noqa: B023

        counts_here = counted[:, n] > 0
        sure = fit(np.flatnonzero(counts_here & ~is_unseen)).predict_proba(matrix[unseen])[:, 1]
        by_rule = np.array([topic in one for one in ruled]) & (sure >= RULE_FROM)
        either = by_rule | (sure >= TOPIC_FROM)
        truth = wanted[unseen, n]
        counts = np.array(
            [(either & truth).sum(), (either & ~truth).sum(), (~either & truth).sum()]
        )
        hits += counts
        report[topic] = {"texts": int(truth.sum()), **share_of_topics(counts)}
        model = fit(np.flatnonzero(counts_here))
        weights[topic] = {BIAS: round(float(model.intercept_[0]), 2)}
        for term in np.flatnonzero(np.abs(model.coef_[0]) >= 0.5):
            weights[topic][vocabulary[term]] = round(float(model.coef_[0][term]), 1)
    return weights, {**report, "all": share_of_topics(hits)}


def share_of_topics(hits: Any) -> dict[str, float]:
    """Return precision, recall and F1 in % of counts of right, wrong and missed topics."""
    right, wrong, missed = map(int, hits)
    return {
        "precision": round(100 * right / max(1, right + wrong), 1),
        "recall": round(100 * right / max(1, right + missed), 1),
        "f1": round(200 * right / max(1, 2 * right + wrong + missed), 1),
    }


def _unlinked(text: str) -> str:
    return clean(text, TITLE_CHARACTERS)


def count_words(folder: Path) -> dict[str, tuple[int, int]]:
    """Return in how many texts each word stands, and in how many of them without a capital.

    The texts are those of the three sets; rare words are left out.
    """
    counts: Counter[str] = Counter()
    small: Counter[str] = Counter()
    seen = set()
    for path, column in _TEXTS:
        for row in read(folder / path):
            text = _unlinked(row[column])
            if plain(text) not in seen:
                seen.add(plain(text))
                told = [word for word in words(text) if word.form.isalpha()]
                counts.update({word.form for word in told})
                small.update({word.form for word in told if not word.is_capital})
    return {w: (count, small[w]) for w, count in counts.items() if count >= FREQUENT_FROM}


def _write(seed: str, header: list[str], lines: list[list[Any]]) -> None:
    with (SEEDS / f"{seed}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


def main() -> None:
    """Train, print what the recipe scores on unseen folds, and write the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("taught", type=Path)
    parser.add_argument("--check", action="store_true", help="print only, write nothing")
    asked = parser.parse_args()
    sentiment, found, settings, report = train_sentiment(
        asked.folder, asked.taught / "sentiment.csv"
    )
    print(json.dumps(report, indent=1))
    by_topic, topic_report = train_topics(asked.folder, asked.taught / "topics.csv")
    print(json.dumps(topic_report))
    if asked.check:
        return
    found.save()
    _write(
        "sentiment_term_weights",
        ["term", *LABELS],
        [[term, *values] for term, values in sorted(sentiment.items()) if any(values)],
    )
    _write(
        "topic_term_weights",
        ["topic", "term", "weight"],
        [
            [topic, term, w]
            for topic, of in sorted(by_topic.items())
            for term, w in sorted(of.items())
        ],
    )
    _write(
        "scorer_settings",
        ["name", "value"],
        [
            [name, value]
            for name, value in sorted(
                {**settings, "topic_from": TOPIC_FROM, "rule_from": RULE_FROM}.items()
            )
        ],
    )
    counts = count_words(asked.folder)
    _write(
        "word_frequencies",
        ["word", "text_count", "lower_text_count"],
        [[word, *told] for word, told in sorted(counts.items())],
    )


if __name__ == "__main__":
    main()
