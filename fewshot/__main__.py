"""Run the command line with ``python -m fewshot``."""

from fewshot.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
