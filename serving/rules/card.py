"""One merchant's scorecard line by line, so that it adds up by hand, and the cheapest way to more points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isnan

from serving.rules.scorecard import Criterion, Ladder, Scorecard

REMEMBERED = 8192
"""Lines that are kept: the merchants of a run stand on few places of few ladders."""


@dataclass(frozen=True, eq=False)
class Line:
    """A ladder as it counts for one merchant; the points of all lines together are its points, held within 0 and 100.

    `points` are negative in the section of that name; `missing` is what could still be earned (or got back), `maximum` the most.
    `step` is the one that holds, None where none does or the input is missing.
    """

    ladder: Ladder
    points: float
    maximum: float
    missing: float
    known: bool
    step: Criterion | None
    place: int
    worth: tuple[float, ...]
    """What each place on the ladder is worth to this merchant, from no step at all."""


@dataclass(frozen=True)
class Move:
    """A step to take: which criterion, what it brings in points and what it takes in effort."""

    line: Line
    step: Criterion
    points: float
    effort: float


def card(scorecard: Scorecard, items: Mapping[str, float]) -> list[Line]:
    """The lines of a merchant, from its row of `Points.items`."""
    earned = [items.get(ladder.column) for ladder in scorecard.ladders]
    earned = [None if points is None or isnan(points) else points for points in earned]
    worths = scorecard.worths(tuple(points is not None for points in earned))
    return [_line(*one) for one in zip(scorecard.ladders, earned, worths, strict=True)]


@lru_cache(REMEMBERED)
def _line(ladder: Ladder, points: float | None, worth: tuple[float, ...]) -> Line:
    counted = 0.0 if points is None else round(points, 1)
    place = worth.index(counted) if counted in worth else 0
    maximum = worth[-1]
    signed, missing = (counted, maximum - counted) if ladder.earns else (0.0 - counted, counted)
    step = ladder.steps[place - 1] if place else None
    return Line(ladder, signed, maximum, round(missing, 1), points is not None, step, place, worth)


def cheapest_way(lines: list[Line], need: float) -> list[Move] | None:
    """The moves that bring at least `need` points with the least effort; None where no moves do.

    One place to move to is chosen on each ladder, exactly (dynamic programme over tenths of points); a step that nobody can help with
    (without `effort`), and whatever lies behind it, is out of reach.

    Returns
    -------
    The moves, the one that brings most first; empty where nothing is needed.
    """
    goal = max(0, round(need * 10))
    best: list[tuple[float, tuple[Move, ...]] | None] = [(0.0, ()), *[None] * goal]
    for line in lines:
        moves = [(round(move.points * 10), move.effort, move) for move in _moves(line)]
        for reached, so_far in reversed([*enumerate(best)]) if moves else ():
            if so_far is None:
                continue
            for gain, more, move in moves:
                to, effort = min(goal, reached + gain), so_far[0] + more
                standing = best[to]
                if to > reached and (standing is None or effort < standing[0] - 1e-12):
                    best[to] = (effort, (*so_far[1], move))
    found = best[goal]
    return None if found is None else sorted(found[1], key=lambda move: -move.points)


@lru_cache(REMEMBERED)
def _moves(line: Line) -> tuple[Move, ...]:
    """Where a merchant can be helped to on one ladder."""
    if not line.known:
        return ()
    moves, effort = [], 0.0
    way = range(line.place + 1, len(line.worth)) if line.ladder.earns else range(line.place, 0, -1)
    for place in way:
        step = line.ladder.steps[place - 1]
        if step.effort is None:
            break
        effort += step.effort
        gain = abs(line.worth[place if line.ladder.earns else place - 1] - line.worth[line.place])
        moves.append(Move(line, step, round(gain, 1), effort))
    return tuple(moves)
