"""Damage to bytes, the same for the same seed."""

from __future__ import annotations

import random

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def mutated(content: bytes, seed: int) -> bytes:
    """Return the bytes with one to eight changes: bytes changed, removed, inserted, doubled, moved, or the end cut off."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        _change(data, chance)
    return bytes(data)


def damaged(content: bytes, seed: int) -> bytes:
    """Return the bytes bent or mutated, in turn: what is bent is often still valid, what is mutated rarely."""
    return (bent if seed % 2 else mutated)(content, seed)


def bent(content: bytes, seed: int) -> bytes:
    """Return the bytes with one or two of them changed, and none moved."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.randrange(len(data))
        data[place] = chance.choice((chance.randrange(256), data[place] ^ (1 << chance.randrange(8))))
    return bytes(data)


def _change(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    length = min(chance.choice((1, 1, 2, 4, 16, 64)), len(data) - place)
    match chance.randrange(6):
        case 0 if length:
            data[place] = chance.randrange(256)
        case 1 if length:
            data[place] = chance.choice(_INTERESTING)
        case 2:
            del data[place : place + length]
        case 3:
            data[place:place] = chance.randbytes(max(length, 1))
        case 4:
            other = chance.randrange(len(data) + 1)
            data[other:other] = data[place : place + length]
        case _:
            if chance.random() < 0.1:  # noqa: PLR2004 - rarely: what is cut off hides everything else
                del data[place:]
            elif length:
                data[place] ^= 1 << chance.randrange(8)
