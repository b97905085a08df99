"""Philox4x32-10: ten rounds that scramble a counter of four 32-bit numbers by a key of two.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
``u32`` and ``u64`` make numbers of 32 and 64 bits.
"""

# mypy: disable-error-code="no-untyped-def"

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and √3 − 1, times 2^32
_ROUNDS = 10


def scrambled(u32, u64, counter, key_low, key_high):
    """Four random 32-bit numbers for the counter (counter, 0, 0, 0)."""
    a, b, c, d = u32(counter), u32(0), u32(0), u32(0)
    k, h = u32(key_low), u32(key_high)
    for _ in range(_ROUNDS):
        p = u64(u64(a) * u64(_MULTIPLIERS[0]))
        q = u64(u64(c) * u64(_MULTIPLIERS[1]))
        a, b, c, d = (
            u32(u32(u64(q >> u64(32))) ^ u32(b ^ k)),
            u32(q),
            u32(u32(u64(p >> u64(32))) ^ u32(d ^ h)),
            u32(p),
        )
        k, h = u32(k + u32(_KEY_STEPS[0])), u32(h + u32(_KEY_STEPS[1]))
    return a, b, c, d


def unit(u32, f32, bits):
    """The first 24 of 32 random bits as a number in [0, 1)."""
    return f32(u32(bits >> u32(8))) * f32(5.9604644775390625e-08)
