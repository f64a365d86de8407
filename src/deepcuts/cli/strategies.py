"""``deepcuts strategies``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deepcuts.common.options import Option


def strategies(
    names_only: Annotated[
        bool, typer.Option("--names", help="Print the name of every strategy, one a line.")
    ] = False,
) -> None:
    """List what strategies are made of: who keeps how much, of which gradient, by which formula.

    A strategy's name is an allocation, a gradient if it isn't the plain one, and a criterion, in one word:
    LayerMagGrad, FloorLRPGradCAM. Put "Inverted" in front to keep the worst weights instead, as a control.

    Example:  deepcuts strategies
    """
    from deepcuts.cli.common import print_table
    from deepcuts.masks.allocations import all_allocations
    from deepcuts.scoring import criteria, gradients
    from deepcuts.scoring.strategy import paper_titles, strategy_names

    known = strategy_names()  # those of plugins among them
    if names_only:
        typer.echo("\n".join(known))
        return
    print_table(
        "1. Allocations: who keeps how much",
        ["name", "--scope", "", "options", "source"],
        [[one.name, one.scope, one.summary, _flags(one.options), one.source] for one in all_allocations()],
    )
    print_table(
        "2. Gradients: what g is",
        ["name", "g", "cost a batch", "options", "source"],
        [
            [
                one.name or "(none)",
                one.formula,
                one.cost,
                _flags(option for option in one.options if option != one.limit),
                one.source,
            ]
            for one in sorted(gradients.REGISTRY.values(), key=lambda one: one.name)
        ],
    )
    rows = []
    for one in criteria.REGISTRY.values():
        with_gradient = f"…{one.short_name}" if one.reads_gradient else "" if one.needs else "no data"
        options = [*one.options, *(option for kind in one.statistics for option in kind.options)]
        rows.append([one.name, with_gradient, one.formula, _flags(options), one.source])
    titles = ", ".join(f"{title} is {name}" for title, name in paper_titles().items())
    print_table(
        "3. Criteria: the score, high = keep",
        ["name", "with a gradient", "formula", "options", "source"],
        rows,
        "w weight, g gradient of a batch, g_n of an example, a mean output of the row, x input; for λ, F, H\n"
        "see the sources. A name is 1, 2 and 3 in one word: LayerMagGrad, FloorLRPGradCAM, RowWanda. Scores\n"
        "of batches are summed. --explain says of what a gradient is: the loss, or the target's logit.\n"
        f"{len(known)} names in all (--names). {titles}.",
    )


def _flags(options: Iterable[Option]) -> str:
    return ", ".join(f"--{option.setting.replace('_', '-')}" for option in dict.fromkeys(options))
