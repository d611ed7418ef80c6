"""The files a run writes beside the database: where, for which source, and whether they can be written at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.sinks.part_file import PartFile

NAME = "{name}"  # in a path: stands for the source's name without suffix


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that are wanted beside the database."""

    mot: Path | None = None
    csv: Path | None = None
    video: Path | None = None

    def of(self, address: str) -> Outputs:
        """The paths for one source."""
        stem = Path(address).resolve().stem

        def place(path: Path | None) -> Path | None:
            return None if path is None else Path(str(path).replace(NAME, stem))

        return Outputs(place(self.mot), place(self.csv), place(self.video))

    @property
    def by_name(self) -> dict[str, Path]:
        """Those that are wanted, by the name of their field."""
        wanted = {"mot": self.mot, "csv": self.csv, "video": self.video}
        return {name: path for name, path in wanted.items() if path is not None}

    @property
    def paths(self) -> list[Path]:
        """Those that are wanted."""
        return list(self.by_name.values())


def check_outputs(outputs: Outputs, addresses: Sequence[str], inputs: Mapping[Path, str]) -> None:
    """Refuse outputs that would overwrite something (ConfigError) or cannot be written (OutputError).

    `addresses`: of the sources. `inputs`: what else is read or written, and what it is called.
    """
    taken = {place.resolve(): name for place, name in inputs.items()}
    taken |= {Path(address).resolve(): "a source" for address in addresses}
    for address in addresses:
        for path in outputs.of(address).paths:
            place = path.resolve()
            if name := taken.get(place) or taken.get(place.parent):
                raise ConfigError(f"{path} would overwrite {name}; {_advice(path, name, outputs, addresses)}")
            taken[place] = f"the output of {address}"
            PartFile(path).check()


def _advice(path: Path, name: str, outputs: Outputs, addresses: Sequence[str]) -> str:
    if not name.startswith("the output"):
        return "name another file"
    if path in outputs.paths and len(addresses) > 1:
        return f"put {NAME} into its name, which becomes each source's"
    return "give each output a file of its own, and sources of the same name runs of their own"
