"""Rules: which pictures and boxes become pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides which pictures and boxes are taken."""

    min_score: float = 0.5  # a box of this score is believed, where nothing speaks against it
    doubt_score: float = 0.2  # one of this score may be an object; weaker ones are background
    confirm: bool = True  # of recordings: tracks decide
    every: float = 1.0  # seconds between two pictures of a recording at least
    frames: int | None = None  # pictures of a recording at most, evenly spread
    moved: float = 0.002  # share of a picture that must differ from the one before
    stride: int = 1  # the teacher is shown every so manieth frame
    image_size: int = 640  # longest side of a picture in the set, pixels
    val_share: float = 0.1  # of each recording its end, of stills some, are for validation
    empty_share: float = 0.1  # pictures without objects, for each with one
    most_painted: float = 0.3  # a picture of which a larger share would be painted is left out

    def __post_init__(self) -> None:
        """Raises ConfigError for values that contradict each other."""
        if not 0 <= self.doubt_score <= self.min_score <= 1:
            raise ConfigError(
                f"--doubt-score {self.doubt_score} and --min-score {self.min_score} must rise between 0 and 1"
            )
