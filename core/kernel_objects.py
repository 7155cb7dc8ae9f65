"""Cached kernels without their LLVM bitcode: only a kernel that is compiled later and calls them needs it.

Numba stores machine code and bitcode of each kernel, and parses both when it loads one. With all kernels
loaded the parsed bitcode takes 70 MiB and a fifth of the start (measured), and nothing reads it.
"""

import zlib
from typing import Any

from llvmlite import binding
from numba.core import codegen

LIBRARY: Any = codegen.JITCodeLibrary  # Numba has no types for it
LEVEL = 1  # bitcode becomes a third of it; more effort gains little
PACKED = "_petroroad_bitcode"  # attribute of a library that came from the cache


def _serialize(library: Any) -> tuple[str, str, tuple[bytes, bytes, tuple[str, ...]]]:
    """Return a library as the cache keeps it: machine code, packed bitcode, the symbols that both define."""
    library._ensure_finalized()
    module = library._get_module_for_linking()
    symbols = [symbol for symbols in (module.functions, module.global_variables) for symbol in symbols]
    defined = tuple([symbol.name for symbol in symbols if not symbol.is_declaration])
    code = library._get_compiled_object(), zlib.compress(module.as_bitcode(), LEVEL), defined
    return library.name, "object", code


def _unserialize(cls: Any, of: Any, state: tuple[str, str, Any]) -> Any:
    """Return the library of a cached kernel, ready to run; its bitcode stays packed."""
    name, kind, code = state
    assert kind == "object", "our kernels are cached with `serialize_using_object_code`"
    machine_code, packed, defined = code
    library = of.create_library(name)
    assert isinstance(library, cls)
    library.enable_object_caching()
    library._set_compiled_object(machine_code)
    library._finalize_final_module()
    of._engine._defined_symbols.update(defined)
    setattr(library, PACKED, packed)
    return library


def install() -> None:
    """Make Numba load and store kernels so."""
    if hasattr(LIBRARY, PACKED):
        return
    usual = LIBRARY._get_module_for_linking

    def module_for_linking(library: Any) -> Any:
        packed = getattr(library, PACKED)
        if packed is not None:
            library._shared_module = binding.parse_bitcode(zlib.decompress(packed))
            setattr(library, PACKED, None)
        return usual(library)

    setattr(LIBRARY, PACKED, None)
    LIBRARY.serialize_using_object_code = _serialize
    LIBRARY._unserialize = classmethod(_unserialize)
    LIBRARY._get_module_for_linking = module_for_linking
