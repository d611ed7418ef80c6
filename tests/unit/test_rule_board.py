"""RuleBoard: zones, lines and counts on a picture."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.events import EventKind, Events
from pipeline.rule_board import RuleBoard
from trackers.structures import ImageArray


def happened(*what: tuple[str, EventKind, str]) -> Events:
    count = len(what)
    none = np.zeros(count, np.int64)
    rules, kinds, ways = zip(*what, strict=True)
    return Events(none, none, none, rules, kinds, np.zeros(count), ways, np.zeros((count, 2), np.float32))


def board() -> RuleBoard:
    return RuleBoard(
        {"yard": ((0.1, 0.6), (0.4, 0.6), (0.4, 0.9), (0.1, 0.9))},
        {"gate": ((0.5, 0.2), (0.9, 0.2))},
        {"gate": ("in", "out")},
    )


def picture(height: int = 400, width: int = 400) -> ImageArray:
    return np.full((height, width, 3), 60, np.uint8)


def test_rules_are_drawn_where_they_are() -> None:
    drawn = board().draw(picture())
    assert (drawn[80, 210] == 255).all()  # on the line
    assert (drawn[60, 280] == 255).all()  # the arrow to its left, upwards: the first way
    assert (drawn[110, 280] == 60).all()  # and not to the right, below the label
    assert (drawn[240, 100] == 255).all()  # on the outline
    assert (drawn[250, 50] > 60).all()  # within, lighter
    assert (drawn[390, 390] == 60).all()


def test_numbers_are_those_of_the_events() -> None:
    first, second = board(), board()
    events = happened(("gate", EventKind.CROSS, "in"), ("yard", EventKind.ENTER, ""))
    before = first.draw(picture())
    first.count(events)
    after = first.draw(picture())
    assert (before != after).any()
    second.go_on({("gate", EventKind.CROSS, "in"): 1, ("yard", EventKind.ENTER, ""): 1})
    np.testing.assert_array_equal(second.draw(picture()), after)
    second.count(happened(("yard", EventKind.LEAVE, "")))
    assert (second.draw(picture()) != after).any()
    first.count(Events.empty())
    np.testing.assert_array_equal(first.draw(picture()), after)


@pytest.mark.parametrize("size", [(40, 30), (16, 16), (1080, 1920)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    assert board().draw(picture(*size)).shape == (*size, 3)
