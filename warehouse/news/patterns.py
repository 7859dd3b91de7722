"""Rules over words, found in one pass.

`cut*|lower* ..3 guidance|outlook` finds either word and, at most three words on, one of the others.
A pattern is a row of words with gaps. `a|b` is either word, `cut*` any word that begins so, `<up>`
any word of that class, `0` any number, `..3` at most three words in between. There are no
loops in it, so the time is bounded by the words of the text times the length of the pattern.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from warehouse.news.text import REMEMBERED

Label = TypeVar("Label")

MOST_GAP = 10
_NONE: frozenset[int] = frozenset()


class BadPattern(ValueError):
    """A pattern of a seed does not follow the grammar."""


class Hit(NamedTuple, Generic[Label]):
    """A pattern found in words `start` to `end`, the end left out."""

    label: Label
    start: int
    end: int


class _Step(NamedTuple):
    atom: int
    gap: int


_Rule = tuple[Label, tuple[_Step, ...]]


class Patterns(Generic[Label]):
    """Many patterns, each with a label, looked for in one pass."""

    def __init__(
        self, rules: Iterable[tuple[Label, str]], classes: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Read the rules; `classes` says what words `<name>` stands for.

        Raises `BadPattern` for a pattern that does not follow the grammar.
        """
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._prefix: dict[str, list[int]] = defaultdict(list)
        self._atoms: dict[str, int] = {}
        self._starts: dict[int, list[_Rule[Label]]] = defaultdict(list)
        # Of words met: the atoms each fits, and the rules that begin with one of them.
        self._known: dict[str, frozenset[int]] = {}
        self._begun: dict[str, tuple[_Rule[Label], ...]] = {}
        self._classes = classes or {}
        for label, pattern in rules:
            first, *rest = self._steps(pattern)
            self._starts[first.atom].append((label, tuple(rest)))
        self._lengths = sorted({len(prefix) for prefix in self._prefix})

    def find(self, shapes: Sequence[str]) -> list[Hit[Label]]:
        """Return every place a pattern holds, the shortest at each start, in order."""
        if len(self._begun) >= REMEMBERED:
            self._begun.clear()
            self._known.clear()
        begun = [
            rules if rules is not None else self._look_up(word)
            for word, rules in zip(shapes, map(self._begun.get, shapes), strict=True)
        ]
        hits: list[Hit[Label]] = []
        if not any(begun):
            return hits
        known = [self._known[word] for word in shapes]
        for start, rules in enumerate(begun):
            for label, steps in rules or ():
                end = self._follow(known, start + 1, steps)
                if end is not None:
                    hits.append(Hit(label, start, end))
        return hits

    @staticmethod
    def _follow(
        known: Sequence[frozenset[int]], position: int, steps: Sequence[_Step]
    ) -> int | None:
        # Each step takes the nearest word that fits: no going back.
        for step in steps:
            for place in range(position, min(position + step.gap + 1, len(known))):
                if step.atom in known[place]:
                    position = place + 1
                    break
            else:
                return None
        return position

    def _look_up(self, word: str) -> tuple[_Rule[Label], ...]:
        atoms = set(self._exact.get(word, ()))
        for length in self._lengths:
            if length <= len(word):
                atoms.update(self._prefix.get(word[:length], ()))
        self._known[word] = frozenset(atoms) if atoms else _NONE
        found = tuple(rule for atom in sorted(atoms) for rule in self._starts.get(atom, ()))
        self._begun[word] = found
        return found

    def _steps(self, pattern: str) -> list[_Step]:
        steps: list[_Step] = []
        gap = 0
        for part in pattern.split():
            if part.startswith(".."):
                if not part[2:].isdigit() or int(part[2:]) > MOST_GAP or not steps:
                    raise BadPattern(f"'{pattern}': '{part}' is no gap of 1 to {MOST_GAP} words.")
                gap = int(part[2:])
            else:
                steps.append(_Step(self._atom(part), gap))
                gap = 0
        if not steps or gap:
            raise BadPattern(f"'{pattern}' has no word at its end.")
        return steps

    def _atom(self, part: str) -> int:
        if part in self._atoms:
            return self._atoms[part]
        number = self._atoms[part] = len(self._atoms)
        for word in part.split("|"):
            if word.startswith("<"):
                name = word[1:-1]
                if not word.endswith(">") or name not in self._classes:
                    raise BadPattern(f"There is no class of words '{word}'.")
                members: Sequence[str] = self._classes[name]
            else:
                members = [word]
            for member in members:
                if member == "0":
                    for form in ("0", "0%", "$0", "+0", "-0", "+0%", "-0%", "+$0", "-$0", "$0%"):
                        self._exact[form].append(number)
                elif member.endswith("*"):
                    self._prefix[member[:-1]].append(number)
                else:
                    self._exact[member].append(number)
        return number
