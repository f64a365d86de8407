"""How important each weight is: options, strategies, criteria, and the sweep over the data.

One sweep serves any number of strategies. It works on any ``nn.Module`` and needs torch alone.
"""
