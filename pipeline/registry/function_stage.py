"""A plain function as a Transform: `def f(pixels: ndarray, *, strength: int = 3) -> ndarray`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from ..contracts.frame import Frame
from ..contracts.spec import CHANNELS, DTYPES, PICTURES, Pixels, Spec
from ..contracts.stage import Transform
from ..errors import SpecError, UsageError

MODELS = {CHANNELS[model]: model for model in PICTURES}


class FunctionTransform(Transform):
    """What a function becomes: its parameters after the first are the fields of a dataclass derived from this.

    The function gets (H, W, C) pixels, read-only, and returns an array of uint8, uint16 or float32, (H, W) or
    (H, W, 1 to 4). What it returns is learned for each new Spec by calling it once with gray noise; so it must return
    the same shape and dtype for the same shape and dtype. Its result is copied once.
    """

    function: ClassVar[Callable[..., Any]]

    def output_spec(self, spec: Spec) -> Spec:
        """The Spec of what the function returns. Raises SpecError where it returns no picture."""
        return self._returned(spec)

    @cached_property
    def _returned(self) -> Callable[[Spec], Spec]:
        return lru_cache(maxsize=256)(self._learned)

    def _learned(self, spec: Spec) -> Spec:
        import numpy as np

        spec.require_pixels()
        noise = np.random.default_rng(0).integers(64, 192, spec.shape, np.uint8)
        pixels = noise.astype(spec.dtype) / (255 if spec.dtype == "float32" else 1)
        pixels = pixels.astype(spec.dtype)
        pixels.flags.writeable = False
        result = self._call(pixels)
        channels = 1 if result.ndim == 2 else result.shape[2]
        model = spec.model if channels == spec.channels else MODELS[channels]
        height, width = result.shape[:2]
        same = (height, width) == spec.size
        out = dataclasses.replace(spec, channels=channels, model=model, dtype=str(result.dtype))
        return out if same else out.resized(height, width)

    def process(self, frame: Frame, out: Pixels) -> None:
        """Call the function and copy what it returns into `out`."""
        result = self._call(frame.pixels)
        result = result[..., None] if result.ndim == 2 else result
        if result.shape != out.shape or result.dtype != out.dtype:
            raise SpecError(
                f"returned {result.shape} {result.dtype}, and {out.shape} {out.dtype} for noise of the same size",
                remedy="where data decides the size, write a class with output_spec",
            )
        out[...] = result

    def _call(self, pixels: Pixels) -> Pixels:
        import numpy as np

        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        result: Pixels = type(self).function(pixels, **named)
        shaped = isinstance(result, np.ndarray) and (
            result.ndim == 2 or (result.ndim == 3 and 1 <= result.shape[2] <= 4)
        )
        if not shaped or str(result.dtype) not in DTYPES or not result.size:
            got = f"an array {result.shape} {result.dtype}" if isinstance(result, np.ndarray) else type(result).__name__
            raise SpecError(
                f"returned {got}", limit="wants (H, W) or (H, W, 1 to 4) of " + ", ".join(DTYPES),
                remedy="end it in `.astype(pixels.dtype)`" if isinstance(result, np.ndarray) else "return the pixels",
            )  # fmt: skip
        return result


@cache
def transform_of(function: Callable[..., Any]) -> type[FunctionTransform]:
    """The Transform that a function becomes.

    Raises:
        UsageError: it takes no pixels, or parameters that a config cannot name.
    """
    rest = list(inspect.signature(function).parameters.values())
    pixels = rest.pop(0) if rest else None
    if pixels is None or pixels.kind not in (pixels.POSITIONAL_ONLY, pixels.POSITIONAL_OR_KEYWORD):
        raise UsageError(f"{function.__name__} takes no pixels", remedy="def f(pixels): ... return pixels")
    fields: list[Any] = []
    for parameter in sorted(rest, key=lambda each: each.default is not each.empty):  # required fields come first
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(f"{function.__name__} takes {parameter}", remedy="give its parameters names")
        hint = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = {} if parameter.default is parameter.empty else {"default": parameter.default}
        fields.append((parameter.name, hint, dataclasses.field(**default)))
    namespace = {
        "function": staticmethod(function), "__module__": function.__module__,
        "__doc__": function.__doc__ or "A function.",
    }  # fmt: skip
    return dataclasses.make_dataclass(
        function.__name__, fields, bases=(FunctionTransform,), namespace=namespace, frozen=True
    )


def as_class(found: Any) -> Any:
    """A component's class as it is; the Transform of a function."""
    return transform_of(found) if inspect.isfunction(found) else found
