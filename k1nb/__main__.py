"""`python -m k1nb` is the same as `k1nb`."""

from k1nb.cli import main

if __name__ == "__main__":
    main()
