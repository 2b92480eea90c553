"""``python -m pipeline.cli`` is ``tocsin``."""

from pipeline.cli import main

main()
