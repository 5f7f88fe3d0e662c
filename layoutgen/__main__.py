"""`python -m layoutgen`: the command `layoutgen`."""

from layoutgen.cli import main

if __name__ == "__main__":
    main()
