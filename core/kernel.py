"""The one way to declare a compiled kernel: its signature is its annotations; cached, IEEE arithmetic.

    @kernel                  called from Python and from kernels
    @kernel(inline=True)     the same, copied by LLVM into each kernel that calls it
    @kernel(inner=True)      called by kernels only: no wrapper for Python, inlined, compiled with its caller
    @kernel(allocates=True)  makes arrays: Numba counts references then

An annotation is `float` (float64), `int` (int64), `bool`, a NumPy scalar type, an array with its rank
(`core.arrays.F2`), a tuple of these or a NamedTuple of these.
"""

from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints, overload

import numba
import numpy as np
from numba import types

from core import kernel_cache, kernel_objects

kernel_cache.install()
kernel_objects.install()

# Options of a kernel that never allocates. References to its arrays are not counted: to count them costs as
# much as the arithmetic (measured: a scan of 1 000 tracks takes 2.9 ms with it, 2.1 ms without)
BARE = {"_nrt": False}
# forceinline: a call passes each array as nine words, which costs as much as a prediction
INNER = BARE | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
TYPES: Any = types  # Numba types it in part only
SCALARS: dict[Any, Any] = {
    float: types.float64,
    int: types.int64,
    bool: types.boolean,
    type(None): types.void,
}

P = ParamSpec("P")
R = TypeVar("R")


def numba_type(hint: Any) -> Any:
    """Return the Numba type of one annotation; TypeError if no kernel can take it."""
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, np.generic):
        return numba.from_dtype(np.dtype(hint))
    if get_origin(hint) is Annotated:
        array, rank = get_args(hint)
        (dtype,) = get_args(get_args(array)[1])
        return types.Array(numba.from_dtype(np.dtype(dtype)), rank, "C")
    if get_origin(hint) is tuple:
        return TYPES.BaseTuple.from_types(tuple(numba_type(part) for part in get_args(hint)))
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        hints = get_type_hints(hint, include_extras=True)
        return TYPES.BaseTuple.from_types(tuple(numba_type(hints[field]) for field in hint._fields), hint)
    raise TypeError(f"{hint} is no type that a kernel takes: an array needs its rank (core.arrays.F2)")


def signature_of(function: Callable[..., Any]) -> Any:
    """Return the Numba signature that a function's annotations state; TypeError names what is missing."""
    where = f"kernel {function.__module__}.{function.__qualname__}"
    hints = get_type_hints(function, include_extras=True)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    missing = [name for name in (*names, "return") if name not in hints]
    if missing:
        raise TypeError(f"{where}: no annotation of {', '.join(missing)}")
    try:
        return numba_type(hints["return"])(*(numba_type(hints[name]) for name in names))
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _when_called(inner: Any, signature: Any) -> Any:
    """Delay the compilation of an inner kernel until a kernel that calls it is compiled.

    A caller that is loaded from the cache contains its inner kernels already; to load them all as well took a
    third of the start.
    """
    template = inner.get_call_template

    def compiled_first(args: Any, kws: Any) -> Any:
        if not inner.overloads:
            inner.compile(signature)
            inner.disable_compile()
        return template(args, kws)

    inner.get_call_template = compiled_first
    return inner


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def kernel(
    function: None = None,
    /,
    *,
    inner: bool = False,
    inline: bool = False,
    allocates: bool = False,
    **options: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def kernel(
    function: Callable[..., Any] | None = None,
    /,
    *,
    inner: bool = False,
    inline: bool = False,
    allocates: bool = False,
    **options: Any,
) -> Any:
    """Compile at import, or load from NUMBA_CACHE_DIR; arguments of other dtypes or layouts: TypeError.

    No fastmath, no threads: equal inputs give equal bytes, and forked children survive. NaN does not raise.
    """
    settings: dict[str, Any] = {"cache": True, "fastmath": False, "error_model": "numpy", "nogil": True}
    settings |= (
        ({} if allocates else BARE)
        | (INNER if inner else {})
        | ({"forceinline": True} if inline else {})
        | options
    )

    def decorate(function: Callable[..., Any]) -> Any:
        signature = signature_of(function)
        if inner:
            return _when_called(numba.njit(**settings)(function), signature)
        return numba.njit(signature, **settings)(function)

    return decorate(function) if function else decorate


def unchecked(compiled: Callable[P, R]) -> Callable[P, R]:
    """Return a kernel's entry that does not check the types of its arguments: wrong ones crash the process.

    Numba checks each array of a NamedTuple in each call, which costs 0.15 us (the 36 of a scan: 5 us of 40).
    Call this with scalars, and with arrays whose types the caller has made sure of.
    """
    dispatcher: Any = compiled
    (overload,) = dispatcher.overloads.values()
    entry: Callable[P, R] = overload.entry_point
    return entry


def _has_type(hint: Any, value: Any) -> bool:
    """Return whether a kernel whose annotation is `hint` can take the value as it is."""
    if get_origin(hint) is Annotated:
        array, rank = get_args(hint)
        (dtype,) = get_args(get_args(array)[1])
        whole = isinstance(value, np.ndarray) and value.flags.c_contiguous and value.flags.aligned
        return whole and value.dtype == np.dtype(dtype) and value.ndim == rank
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        hints = get_type_hints(hint, include_extras=True)
        return isinstance(value, hint) and all(_has_type(hints[name], getattr(value, name)) for name in hints)
    return isinstance(value, int | float | np.generic)


def checked_once(compiled: Callable[P, R]) -> Callable[P, R]:
    """Return an entry that checks the types of its arguments in its first call only: then as `unchecked`.

    For calls whose types follow from the code alone, never from data. Beside the cost of each check, Numba
    takes 65 ms to find the types of the first NamedTuple of a process.
    """
    dispatcher: Any = compiled
    function, entry, is_new = dispatcher.py_func, unchecked(dispatcher), True

    def call(*args: Any) -> Any:
        nonlocal is_new
        if is_new:
            hints = get_type_hints(function, include_extras=True)
            names = function.__code__.co_varnames[: function.__code__.co_argcount]
            for name, value in zip(names, args, strict=True):
                if not _has_type(hints[name], value):
                    raise TypeError(f"kernel {function.__qualname__}: {name} is not of its type")
            is_new = False
        return entry(*args)

    untyped: Any = call
    checked: Callable[P, R] = untyped
    return checked
