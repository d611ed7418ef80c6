"""A network's digest is the same whenever it is asked for, and another one's is another."""

from __future__ import annotations

import torch

from pipeline.training.embedder_file import digest_of
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.network_digest import network_digest

PLAN = EmbedderPlan(input_size=(32, 16), dimension=8, widths=(4, 8), stripes=1)


def test_the_same_numbers_have_the_same_digest_every_time() -> None:
    network = EmbedderNetwork(PLAN)
    copy = EmbedderNetwork(PLAN)
    copy.load_state_dict(network.state_dict())
    assert len({digest_of(each) for each in (network, copy) * 8}) == 1


def test_one_other_number_or_plan_is_another_network() -> None:
    network = EmbedderNetwork(PLAN)
    before = digest_of(network)
    assert network_digest(network, "another plan") != before
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1
    assert digest_of(network) != before
    assert digest_of(None) == ""
