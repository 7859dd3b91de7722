"""A heavier scorer of sentiment behind the same function: FinBERT, or one like it, from a folder.

Off unless `BELLWETHER_FINBERT` names a folder that holds the model. Nothing is ever downloaded and
no model comes with us: the one of the folder, and its licence, are its owner's. Needs the
dependency group `finbert`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from warehouse.errors import HomeError
from warehouse.news.sentiment import LABELS, Probabilities
from warehouse.news.text import OTHER, TARGET

ENVIRONMENT_VARIABLE = "BELLWETHER_FINBERT"
_BATCH = 32


class FinBert:
    """Scores by a text-classification pipeline that tells the three labels' probabilities."""

    def __init__(self, pipeline: Callable[..., Any], scorer_id: str) -> None:
        """Score by `pipeline`; `scorer_id` tells this model from another."""
        self.pipeline = pipeline
        self.scorer_id = scorer_id

    def score(self, texts: Sequence[str]) -> list[tuple[Probabilities, tuple[str, ...]]]:
        """Return probabilities of `LABELS`; such a model names no terms that caused them."""
        if not texts:
            return []
        spoken = [
            text.replace(TARGET, "the company").replace(OTHER, "another company") for text in texts
        ]
        told = self.pipeline(spoken, top_k=None, truncation=True, batch_size=_BATCH)
        return [(self._probabilities(one), ()) for one in told]

    @staticmethod
    def _probabilities(told: Sequence[dict[str, Any]]) -> Probabilities:
        chances = {str(one["label"]).lower(): float(one["score"]) for one in told}
        if set(chances) != set(LABELS):
            raise HomeError(
                f"The model tells {', '.join(sorted(chances))}, not {', '.join(LABELS)}."
            )
        return chances["negative"], chances["neutral"], chances["positive"]


def open_finbert(folder: Path) -> FinBert:
    """Return the scorer of the model in `folder`.

    Raises `HomeError` when the folder holds no model, or the dependency group is not installed.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise HomeError(f"{ENVIRONMENT_VARIABLE}: {folder} holds no model (no config.json).")
    try:
        from transformers import pipeline
    except ImportError as error:
        raise HomeError(
            f"{ENVIRONMENT_VARIABLE} asks for a model, but transformers is not installed: "
            "install the dependency group finbert."
        ) from error
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\0".encode())
    digest.update(config.read_bytes())
    made = pipeline("text-classification", model=str(folder), tokenizer=str(folder), device="cpu")
    return FinBert(made, f"finbert-{digest.hexdigest()[:8]}")
