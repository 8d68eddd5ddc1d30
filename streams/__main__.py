"""`python -m streams` is `streams`."""

from streams.cli.main import main

main()
