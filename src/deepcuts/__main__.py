"""``python -m deepcuts`` is the command ``deepcuts``: signals are looked after before imports."""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from deepcuts.common import interruption

    interruption.install()
    from deepcuts.cli import main as run

    run()


if __name__ == "__main__":
    main()
