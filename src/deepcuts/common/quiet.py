"""Keeping libraries from talking where only this project's own words belong."""

from __future__ import annotations

import os
import sys


def quiet_libraries() -> None:
    """Keep the libraries' chatter out of the output; their errors still come through."""
    import warnings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
