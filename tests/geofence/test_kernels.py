"""Kernels stay narrow: what belongs together comes as one NamedTuple."""

import ast
from pathlib import Path

GEOFENCE = Path(__file__).parents[2] / "geofence"
PARAMETERS_MAX = 8


def kernels(path):
    """Yield the functions of a module that are compiled."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            marks = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
            if any(isinstance(mark, ast.Name) and mark.id == "kernel" for mark in marks):
                yield node


def test_no_kernel_takes_more_than_eight_parameters():
    widths = {
        f"{path.stem}.{kernel.name}": len(kernel.args.args)
        for path in sorted(GEOFENCE.rglob("*.py"))
        for kernel in kernels(path)
    }
    assert len(widths) > 15, "the kernels are found"
    assert {name: width for name, width in widths.items() if width > PARAMETERS_MAX} == {}


def test_no_kernel_makes_arrays():
    """One that does counts references to all its arrays, at each call."""
    assert "allocates=True" not in "".join(
        path.read_text(encoding="utf-8") for path in GEOFENCE.rglob("*.py")
    )
