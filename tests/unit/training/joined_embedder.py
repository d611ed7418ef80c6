"""Run by torchrun or alone: three steps of plain descent on an embedder; the first process saves losses and weights.

python -m tests.unit.training.joined_embedder OUT
"""

from __future__ import annotations

import sys

import torch

from pipeline.training.data_parallel import joined_ranks, share_statistics
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.metric_losses import ArcFaceLoss

PLAN = EmbedderPlan(input_size=(32, 16), dimension=8, widths=(4, 8, 8), stripes=2)


def main(out: str) -> None:
    """Save `{"losses", "network", "centres"}` to `out`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, objective = EmbedderNetwork(PLAN), ArcFaceLoss(dimension=8, identities=4, scale=4.0)
    parameters = [one for one in (*network.parameters(), *objective.parameters()) if one.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=0.05)
    losses = []
    with joined_ranks("cpu") as ranks:
        share_statistics(network, ranks)
        for step in range(3):
            random = torch.Generator().manual_seed(step)
            crops, identities = torch.randn(8, 3, 32, 16, generator=random), torch.arange(8) // 2
            features = ranks.gather(network(ranks.part(crops)))
            loss = objective(features, ranks.gather(ranks.part(identities)))
            optimiser.zero_grad()
            loss.backward()
            ranks.average_gradients(parameters)
            optimiser.step()
            losses.append(loss.item())
        assert ranks.any(ranks.first)
        assert ranks.from_first(ranks.rank) == 0
        if ranks.first:
            kept = {"network": network.state_dict(), "centres": objective.centres.detach()}
            torch.save({"losses": losses, **kept}, out)


if __name__ == "__main__":
    main(sys.argv[1])
