"""The CRC-32 of joined bytes from the CRC-32 of the parts, which gzip asks for and Python's zlib cannot combine.

A CRC is linear over GF(2): the checksum of ``a + b`` is that of ``b``, XOR that of ``a`` carried on over as many zero
bytes as ``b`` is long (init and final inversion of RFC 1952 section 8 cancel out). To carry on is a 32 x 32 bit matrix;
over n bytes it is the matrix of one zero byte to the power of n. zlib's crc32_combine() does the same in C.
"""

import zlib
from functools import cache
from itertools import accumulate, repeat

_POLYNOMIAL = 0xEDB88320
"""RFC 1952 section 8, lowest bit first."""
SHORT_MAX_BYTES = 8_192
"""Up to here it is cheaper to let zlib walk over real zeros than to apply a matrix in Python (measured: 1 us each)."""

_ZEROS = memoryview(bytes(SHORT_MAX_BYTES))
_CRC_OF_ZEROS = tuple(accumulate(repeat(b"\0", SHORT_MAX_BYTES), lambda crc, zero: zlib.crc32(zero, crc), initial=0))
"""By their number."""

Matrix = tuple[int, ...]
"""What becomes of each single bit, the lowest first."""
Nibbles = tuple[tuple[int, ...], ...]
"""A matrix made ready: for each four bits of the operand, what becomes of their 16 values."""


def combine(crc: int, following_crc: int, following_bytes: int) -> int:
    """Return ``zlib.crc32(a + b)`` for the checksum of ``a``, that of ``b``, and the length of ``b``."""
    if following_bytes <= SHORT_MAX_BYTES:
        return zlib.crc32(_ZEROS[:following_bytes], crc) ^ _CRC_OF_ZEROS[following_bytes] ^ following_crc
    return _carried(crc, following_bytes) ^ following_crc


def _carried(crc: int, zero_bytes: int) -> int:
    """Apply one kept matrix for each base-16 digit of the length: there are 15 for each place, and few places."""
    place = 1
    while zero_bytes:
        digit = zero_bytes & 15
        if digit:
            crc = _apply(_nibbles(digit * place), crc)
        zero_bytes >>= 4
        place <<= 4
    return crc


def _apply(tables: Nibbles, crc: int) -> int:
    t0, t1, t2, t3, t4, t5, t6, t7 = tables
    return (
        t0[crc & 15]
        ^ t1[crc >> 4 & 15]
        ^ t2[crc >> 8 & 15]
        ^ t3[crc >> 12 & 15]
        ^ t4[crc >> 16 & 15]
        ^ t5[crc >> 20 & 15]
        ^ t6[crc >> 24 & 15]
        ^ t7[crc >> 28]
    )


@cache
def _nibbles(zero_bytes: int) -> Nibbles:
    matrix = _power(zero_bytes)
    return tuple(tuple(_product(matrix, value << low) for value in range(16)) for low in range(0, 32, 4))


def _power(zero_bytes: int) -> Matrix:
    """The matrix of so many zero bytes: the product of the squares that the bits of the number name."""
    result: Matrix = tuple(1 << bit for bit in range(32))
    for exponent in range(zero_bytes.bit_length()):
        if zero_bytes >> exponent & 1:
            result = tuple(_product(_squared(exponent), column) for column in result)
    return result


@cache
def _squared(exponent: int) -> Matrix:
    """The matrix of 2**exponent zero bytes."""
    if exponent > 0:
        half = _squared(exponent - 1)
        return tuple(_product(half, column) for column in half)
    byte: Matrix = tuple(1 << bit for bit in range(32))
    for _ in range(8):
        byte = tuple(column >> 1 ^ (_POLYNOMIAL if column & 1 else 0) for column in byte)
    return byte


def _product(matrix: Matrix, vector: int) -> int:
    result = 0
    for column in matrix:
        if vector & 1:
            result ^= column
        vector >>= 1
    return result
