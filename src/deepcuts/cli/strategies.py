"""``deepcuts strategies``."""

from __future__ import annotations

from typing import Annotated

import typer


def strategies(
    names_only: Annotated[bool, typer.Option("--names", help="Print the names alone, one a line.")] = False,
) -> None:
    """List the strategies: names, formulas, what they cost, and where they come from.

    A strategy is an allocation, which says who keeps how much of the budget, and a score. Put "Inverted" in
    front of any of them to keep the worst weights instead, as a control.

    Example:  deepcuts strategies
    """
    from deepcuts.cli.common import print_table
    from deepcuts.masks.allocations import all_allocations
    from deepcuts.scoring.strategy import TITLES, Strategy, strategy_names

    if names_only:
        typer.echo("\n".join(strategy_names()))
        return
    titles = {name: title for title, name in TITLES.items()}
    rows = []
    for name in strategy_names():
        strategy = Strategy.parse(name)
        gradient = strategy.gradient_read
        formula = strategy.formula.formula.replace("g", gradient.formula, 1)
        title = f" ({titles[name]})" if name in titles else ""
        cost = gradient.cost if strategy.needs_data else "no data"
        source = " + ".join(filter(None, [strategy.formula.source, gradient.source]))
        rows.append([name + title, formula, cost, source])
    caption = (
        "w weight, g its gradient, a mean output of its row, λ the shift (10), mean(g) over η = 10 noisy\n"
        "passes. A pass is one forward and backward pass of a batch. Scores are summed over batches; "
        "high = keep.\n"
    ) + "\n".join(f"{one.name} (--scope {one.scope}): {one.summary}." for one in all_allocations())
    print_table("Strategies", ["name", "score of one batch", "cost a batch", "source"], rows, caption)
