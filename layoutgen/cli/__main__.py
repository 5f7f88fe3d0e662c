"""`python -m layoutgen.cli`: the command line without its script."""

from layoutgen.cli import main

main()
