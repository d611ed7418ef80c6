"""What is asked of runs on the page, and what becomes of it."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline.errors import StoreError
from pipeline.page.steering import steer
from pipeline.store.states import RequestedState
from tests.fakes import FakeRunControl

RUN = UUID(int=0x018F_0000_0000_7000_8000_0000_0000_0002)


def test_every_button_reaches_the_control() -> None:
    runs = FakeRunControl()
    said = [steer(runs, {"run": str(RUN), "wanted": wanted}) for wanted in ("pause", "run", "stop", "resume")]
    assert runs.calls == [
        ("request", RUN, RequestedState.PAUSE),
        ("request", RUN, RequestedState.RUN),
        ("request", RUN, RequestedState.STOP),
        ("resume", RUN),
    ]
    assert len({one for one in said if one is not None}) == 4


@pytest.mark.parametrize(
    "sent", [{}, {"run": str(RUN), "wanted": "delete"}, {"run": "no id", "wanted": "stop"}, {"run": RUN, "wanted": 7}]
)
def test_what_no_button_sends_is_not_passed_on(sent: dict[str, object]) -> None:
    runs = FakeRunControl()
    assert steer(runs, sent) is None
    assert runs.calls == []


def test_what_the_control_refuses_is_raised() -> None:
    with pytest.raises(StoreError, match="not at work"):
        steer(FakeRunControl(error=StoreError("run x is not at work")), {"run": str(RUN), "wanted": "stop"})
