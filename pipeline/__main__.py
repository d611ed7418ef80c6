"""`python -m pipeline` is `sightline`."""

from pipeline.cli import main

main()
