"""Names of array types: F64 is an array of any rank; F2 states the rank too, as a kernel's signature does.

This module loads no compiler, so that code which only names types stays cheap to import.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

# The same with their rank, for arguments of kernels; C-contiguous, always
F1 = Annotated[F64, 1]
F2 = Annotated[F64, 2]
F3 = Annotated[F64, 3]
I1 = Annotated[I64, 1]
I2 = Annotated[I64, 2]
I3 = Annotated[I64, 3]
I32x1 = Annotated[I32, 1]
I32x2 = Annotated[I32, 2]
B1 = Annotated[Bools, 1]
B2 = Annotated[Bools, 2]
U8x1 = Annotated[U8, 1]
U64x1 = Annotated[U64, 1]
