"""What encoders are made of: which parameters may be cut, and what kind of place each has.

It works on any ``nn.Module`` and needs torch alone.
"""
