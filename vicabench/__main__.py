"""`python -m vicabench`, the same as the command `vicabench`."""

from vicabench.cli.main import main

if __name__ == "__main__":
    main()
