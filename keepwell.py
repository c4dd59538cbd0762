"""The command line."""


def main() -> None:
    """Say that nothing is here yet."""
    print("keepwell")
