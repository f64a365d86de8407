"""Whether the Hugging Face Hub can be asked, found out by one short question."""

from __future__ import annotations

from typing import Literal

from deepcuts.common.errors import brief

TIMEOUT = 5.0  # seconds


def hub_problem(name: str, kind: Literal["model", "dataset"]) -> str | None:
    """Say why the Hub can't be asked for something, or None if it can.

    Without this, what is loaded with no network keeps retrying for half a minute before it fails. Offline
    mode, as set by ``HF_HUB_OFFLINE``, is a reason too: nothing is asked then.

    Args:
        name: The name of a model or data set on the Hub.
        kind: Which of the two it is.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode is set, as by HF_HUB_OFFLINE"
    api = huggingface_hub.HfApi()
    ask = api.model_info if kind == "model" else api.dataset_info
    try:
        ask(name, timeout=TIMEOUT)
    except Exception as error:  # which one depends on the HTTP library of the installed version
        return brief(error)
    return None
