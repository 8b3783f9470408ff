"""New modules beside a frozen model: adapters, low-rank updates, soft prompts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import transformers
from torch import Tensor, nn

Setting: TypeAlias = int | float | str | bool | list[int] | list[float] | list[str] | None


class EmbeddedPrompts(NamedTuple):
    """Prompts as vectors that enter the encoder."""

    embeddings: Tensor  # [n_prompts, length + n_inserted, width]
    attention: Tensor  # [n_prompts, length + n_inserted]: 1, or 0 for padding on the right
    # Vectors between the first token (``[CLS]``) and the second that are no tokens of the prompt.
    # Their last states are dropped, so that masks keep their positions.
    n_inserted: int


class AddedModules(nn.Module):
    """New parameters beside a frozen model, all of them trained (what is fixed is a buffer)."""

    # A subclass makes its parameters in `__init__(model, **settings)`, for the sizes of a model,
    # keeps the settings under their names, and acts in one or both of two ways: attach puts hooks
    # on modules of the model, embed changes the vectors that enter the encoder. It must not keep
    # the model, nor become a part of it: the model's own state dict stays as its configuration
    # describes it.

    @property
    def settings(self) -> dict[str, Setting]:
        """Arguments of the class that build modules of these shapes again, as JSON holds them."""
        _, *names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def attach(self, model: transformers.PreTrainedModel) -> None:
        """Put hooks on a model's modules, by :func:`before` and :func:`after`."""
        # It is called for each model that the parameters act on: after a copy, and after loading.

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:  # noqa: ARG002
        """Change or insert vectors: `embeddings` [n_prompts, length, width] are those of `ids`."""
        return EmbeddedPrompts(embeddings, attention, 0)

    def place(self, embeddings: Tensor, soft_positions: Tensor) -> Tensor:  # noqa: ARG002
        """Put vectors at a template's virtual tokens [n_prompts, n_soft], before :meth:`embed`."""
        return embeddings

    @property
    def changes_embeddings(self) -> bool:
        """Whether prompts enter the encoder as vectors, not as ids."""
        own = type(self)
        return own.embed is not AddedModules.embed or own.place is not AddedModules.place

    @property
    def n_inserted(self) -> int:
        """How many positions the inserted vectors take from the text."""
        return 0

    @property
    def skips_head(self) -> bool:
        """Whether states at masks are the encoder's own, not those of the MLM head."""
        return False


class Stacked(AddedModules):
    """Added modules on others, which act first, as when a tuned model is tuned once more."""

    def __init__(self, lower: AddedModules, upper: AddedModules) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    @property
    def settings(self) -> dict[str, Setting]:
        """None: a stack is built from its parts."""
        return {}

    def attach(self, model: transformers.PreTrainedModel) -> None:
        """Attach both."""
        self.lower.attach(model)
        self.upper.attach(model)

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:
        """Let the lower ones change the vectors, then the upper ones."""
        lower = self.lower.embed(ids, attention, embeddings)
        upper = self.upper.embed(ids, lower.attention, lower.embeddings)
        return upper._replace(n_inserted=lower.n_inserted + upper.n_inserted)

    def place(self, embeddings: Tensor, soft_positions: Tensor) -> Tensor:
        """Let the upper ones put their vectors in place of the lower ones'."""
        return self.upper.place(self.lower.place(embeddings, soft_positions), soft_positions)

    @property
    def changes_embeddings(self) -> bool:
        """Whether one of the two does."""
        return self.lower.changes_embeddings or self.upper.changes_embeddings

    @property
    def n_inserted(self) -> int:
        """How many positions both take."""
        return self.lower.n_inserted + self.upper.n_inserted

    @property
    def skips_head(self) -> bool:
        """Whether one of the two does."""
        return self.lower.skips_head or self.upper.skips_head


def after(module: nn.Module, function: Callable[[Any, Any], Any]) -> None:
    """Have a function of (positional arguments, output) return a module's output from now on."""
    module.register_forward_hook(_After(function))


def before(
    module: nn.Module,
    function: Callable[
        [tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]] | None
    ],
) -> None:
    """Have a function of (positional, keyword arguments) replace both; None leaves them."""
    module.register_forward_pre_hook(_Before(function), with_kwargs=True)


def detach(model: nn.Module) -> None:
    """Remove all hooks that :func:`after` and :func:`before` have put on; others stay."""
    for module in model.modules():
        # Any: torch's types of hooks are functions only.
        registries: tuple[dict[int, Any], ...] = (module._forward_hooks, module._forward_pre_hooks)
        for hooks in registries:
            for number in [n for n, hook in hooks.items() if isinstance(hook, _Hook)]:
                del hooks[number]
                module._forward_pre_hooks_with_kwargs.pop(number, None)


class _Hook:
    """A hook of this package, which no copy or pickle of a model takes along."""

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._function = function

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Hook:
        return self

    def __reduce__(self) -> tuple[type[_Hook], tuple[()]]:
        return type(self), ()  # put on anew by attach


class _After(_Hook):
    def __call__(self, _module: nn.Module, inputs: Any, output: Any) -> Any:
        return output if self._function is None else self._function(inputs, output)


class _Before(_Hook):
    def __call__(self, _module: nn.Module, inputs: Any, keywords: Any) -> Any:
        return None if self._function is None else self._function(inputs, keywords)
