"""Which parameters may be cut: prunable and protected together are all parameters, and never overlap."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from deepcuts.architectures.families import REGISTRY as ARCHITECTURES
from deepcuts.architectures.families import all_architectures
from deepcuts.common.errors import InputError
from deepcuts.common.wrapped import unwrapped

__all__ = ["ARCHITECTURES", "check_plain", "linear_layers", "protected_parameters", "prunable_parameters"]

#: What old weight norms, and spectral norms, make a weight of.
_MADE_OF = frozenset({"weight_g", "weight_v", "weight_orig"})
_HEAD_WORDS = frozenset({"classifier", "classification_head", "head", "lm_head", "qa_outputs", "score"})


def prunable_parameters(model: nn.Module, patterns: Sequence[str] | None = None) -> dict[str, nn.Parameter]:
    """The parameters that may be cut, by name, in the model's order.

    Without patterns: weights and biases of the linear layers of encoder and pooler (DeepCuts, §3), for the
    architectures in `deepcuts.architectures.families`. A parameter that several layers share appears, and is
    cut, once.

    Args:
        model: Any module.
        patterns: Names of parameters, with the wildcards of file names (``encoder.*``), for any other
            architecture. Embeddings and normalisation layers stay protected whatever a pattern says; the
            head is cut only where its parameter is named in full.

    Raises:
        InputError: The architecture is unknown and no pattern is given, a pattern matches nothing that can
            be cut, or a wildcard matches the head; or a weight is made anew in every pass, see `check_plain`.
    """
    model = unwrapped(model)
    owners = _owners(model)
    if patterns is not None:
        named = _named(model, owners, patterns)
        check_plain(model, named)
        return named
    known = all_architectures()
    roots = list(_encoders(model, known))
    if not roots:
        model_type = getattr(getattr(model, "config", None), "model_type", None)
        raise InputError(
            "prunable",
            None,
            f"the encoder of {model_type or type(model).__name__!r} is not known; name its parameters by "
            f"patterns such as 'encoder.*' (known: {', '.join(sorted(known))})",
        )
    words = {root: known[model_type].encoder for root, model_type in roots}
    found = {
        name: parameter
        for name, parameter in model.named_parameters()
        for root in words
        if isinstance(owners[name], nn.Linear)
        and name.startswith(root)
        and not words[root].isdisjoint(name[len(root) :].split("."))
    }
    made = [
        name
        for name in owners
        for root in words
        if ".parametrizations." in name
        and name.startswith(root)
        and not words[root].isdisjoint(name[len(root) :].split("."))
    ]
    check_plain(model, [*found, *made])
    if not found:
        looked = sorted(set().union(*words.values()))
        raise InputError("model", type(model).__name__, f"no linear layer in {' or '.join(looked)} found")
    return found


def _encoders(model: nn.Module, known: Container[str], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The models of known architectures in a model, outermost ones: how their names begin, and the type.

    The model itself is one; or it holds one, as a SentenceTransformer or a model of the user's own does.
    """
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    if isinstance(model_type, str) and model_type in known:
        yield prefix, model_type
    elif model_type is None or not isinstance(model_type, str):
        for name, child in model.named_children():
            yield from _encoders(child, known, f"{prefix}{name}.")


def check_plain(model: nn.Module, names: Iterable[str], path: str = "") -> None:
    """Refuse parameters of which weights are made anew in every pass: what is cut need not be 0 in those.

    Args:
        model: Any module.
        names: Some of its parameters.
        path: Where the module is in its model, for errors.

    Raises:
        InputError: One is what a mask of ``torch.nn.utils.prune`` or a parametrisation works on.
    """
    for name in names:
        owner, _, own = name.rpartition(".")
        beside = f"{own.removesuffix('_orig')}_mask"
        is_masked = own.endswith("_orig") and hasattr(model.get_submodule(owner), beside)
        if is_masked or ".parametrizations." in f".{name}" or own in _MADE_OF:
            way = (
                "take its masks by deepcuts.masks.torch_prune.from_torch_prune, or make them permanent by "
                "torch.nn.utils.prune.remove"
                if is_masked
                else "make it permanent first, as by torch.nn.utils.parametrize.remove_parametrizations"
            )
            raise InputError(
                "model", f"{path}.{name}".lstrip("."), f"a weight is made of it in every pass; {way}"
            )


def protected_parameters(model: nn.Module, patterns: Sequence[str] | None = None) -> dict[str, nn.Parameter]:
    """All parameters that are not prunable, by name; raises what `prunable_parameters` raises."""
    model = unwrapped(model)
    cut = prunable_parameters(model, patterns)
    return {name: parameter for name, parameter in model.named_parameters() if name not in cut}


def linear_layers(model: nn.Module, names: Sequence[str]) -> dict[str, list[nn.Linear]]:
    """The linear layers that each named parameter belongs to: several where they share it.

    Args:
        model: Any module.
        names: Parameter names.

    Raises:
        InputError: A parameter belongs to a module that is no ``nn.Linear``.
    """
    model = unwrapped(model)
    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in dict.fromkeys(module.parameters(recurse=False)):
            owners.setdefault(id(parameter), []).append(module)
    layers: dict[str, list[nn.Linear]] = {}
    for name in names:
        layers[name] = []
        for owner in owners[id(model.get_parameter(name))]:
            if not isinstance(owner, nn.Linear):
                raise InputError(
                    "strategy",
                    name,
                    "scores from activations need a parameter of an nn.Linear, not of "
                    f"{type(owner).__name__}",
                )
            layers[name].append(owner)
    return layers


def _owners(model: nn.Module) -> dict[str, nn.Module]:
    return {name: model.get_submodule(name.rpartition(".")[0]) for name, _ in model.named_parameters()}


def _named(
    model: nn.Module, owners: dict[str, nn.Module], patterns: Sequence[str]
) -> dict[str, nn.Parameter]:
    parameters = dict(model.named_parameters())
    if not patterns:
        raise InputError("prunable", list(patterns), "at least one pattern is needed")
    candidates = [
        name
        for name, parameter in parameters.items()
        if parameter.is_floating_point() and not _is_always_protected(owners[name])
    ]
    head = set(_head(model, owners))
    chosen: set[str] = set()
    for pattern in patterns:
        matched = [name for name in candidates if fnmatchcase(name, pattern)]
        if not matched:
            near = difflib.get_close_matches(pattern, candidates, n=3, cutoff=0.3) or candidates[:3]
            raise InputError(
                "prunable",
                pattern,
                "it must match a parameter that is not an embedding or a normalisation; there are, for "
                f"instance, {', '.join(near)}",
            )
        caught = [name for name in matched if name in head and name != pattern]
        if caught:
            raise InputError(
                "prunable",
                pattern,
                f"a wildcard must not match the head ({', '.join(caught)}); name the encoder more "
                "narrowly, or the head's parameters in full",
            )
        chosen.update(matched)
    return {name: parameters[name] for name in parameters if name in chosen}


def _is_always_protected(owner: nn.Module) -> bool:
    # Architectures bring normalisations of their own, so these go by name rather than by class.
    return isinstance(owner, nn.Embedding | nn.EmbeddingBag) or "norm" in type(owner).__name__.lower()


def _head(model: nn.Module, owners: dict[str, nn.Module]) -> Iterator[str]:
    """Names of the head's parameters: what stands outside the base model, is called so, or comes last."""
    prefix = getattr(model, "base_model_prefix", "")
    has_base = bool(prefix) and hasattr(model, prefix)
    by_word = [name for name in owners if not _HEAD_WORDS.isdisjoint(name.split("."))]
    if has_base:
        yield from (name for name in owners if not name.startswith(f"{prefix}."))
    elif by_word:
        yield from by_word
    else:
        linears = [module for module in owners.values() if isinstance(module, nn.Linear)]
        yield from (name for name, module in owners.items() if linears and module is linears[-1])
