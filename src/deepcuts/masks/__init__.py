"""Which weights are kept: budgets, selection by score, masks and their bits, holding and rewinding.

It works on any ``nn.Module`` and needs torch alone.
"""
