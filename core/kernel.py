"""The one way to declare a compiled kernel: explicit signature, cached, IEEE arithmetic."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

from core.arrays import F64, I32, I64, U8, U64, Bools

__all__ = ["BARE", "F64", "I32", "I64", "INNER", "U8", "U64", "Bools", "kernel"]

# Options of a kernel that never allocates: no counted references to its arrays, which cost as much as its
# arithmetic (measured: a scan of 1 000 tracks 2.9 ms with, 2.1 ms without)
BARE = {"_nrt": False}
# forceinline: a call hands each array over as nine words, which costs as much as a prediction
INNER = BARE | {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
}  # the same, called by kernels only

P = ParamSpec("P")
R = TypeVar("R")


def _when_called(inner: Any, signature: str | list[str]) -> Any:
    """Let a kernel that only kernels call be compiled, or loaded, when one that calls it is compiled.

    A caller that comes from the cache holds it already: loading each once more took a third of a start.
    """
    template = inner.get_call_template

    def compiled_first(args: Any, kws: Any) -> Any:
        if not inner.overloads:
            for one in [signature] if isinstance(signature, str) else signature:
                inner.compile(one)
            inner.disable_compile()
        return template(args, kws)

    inner.get_call_template = compiled_first
    return inner


def kernel(signature: str | list[str], **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile at import under `signature`, or load from NUMBA_CACHE_DIR; other dtypes or layouts: TypeError.

    No fastmath and no threads: equal inputs give equal bytes, and forked children live. NaN does not raise.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        settings: dict[str, Any] = {
            "cache": True,
            "fastmath": False,
            "error_model": "numpy",
            "nogil": True,
        } | options
        compiled: Callable[P, R]
        if options.get("no_cpython_wrapper"):
            compiled = _when_called(numba.njit(**settings)(function), signature)
        else:
            compiled = numba.njit(signature, **settings)(function)
        return compiled

    return decorate
