"""Runs the command line as `python -m weyl`."""

from weyl.cli.main import main

if __name__ == "__main__":
    main()
