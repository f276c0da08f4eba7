"""`python -m konvolut`, for launchers that want a module."""

from konvolut.cli.main import main

if __name__ == "__main__":
    main()
