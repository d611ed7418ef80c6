"""Files of the light Mask R-CNN: .safetensors whose metadata say how the network is built."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torchvision.models.detection import MaskRCNN

from pipeline.errors import ModelError
from pipeline.models import files
from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn

TASK = "segment"
ARCHITECTURE = "architecture"  # entry of the metadata, see MaskRcnnPlan


def is_light(weights: str | Path) -> bool:
    """Whether it is a .safetensors file that says its own architecture. ModelError where it cannot be read."""
    path = Path(weights)
    return path.suffix.lower() == ".safetensors" and path.is_file() and ARCHITECTURE in _metadata(path)


def read_light(weights: str | Path) -> tuple[MaskRCNN, MaskRcnnPlan, str]:
    """The network in float32, ready to run, its plan, and the sha256 of the file.

    Its numbers may be of 16 or of 32 bits. Raises ModelError.
    """
    file = files.inspect(weights)
    file.require(files.Form.SAFETENSORS, backend="torchvision")
    said = _metadata(file.path)
    if said.get("task") != TASK or ARCHITECTURE not in said:
        raise ModelError(f"{file.path} is no Mask R-CNN of ours; give a file that `sightline train mask-rcnn` made")
    plan = MaskRcnnPlan.from_text(said[ARCHITECTURE])
    network = light_mask_rcnn(plan)
    with safe_open(file.path, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (it is no dict)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        lines = str(error).splitlines()
        said_wrong = lines[min(1, len(lines) - 1)].strip()
        raise ModelError(f"{file.path} does not hold what its architecture needs: {said_wrong}") from error
    return network.eval(), plan, file.sha256


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as opened:
            return dict(opened.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors ({error}); fetch it again") from error
