"""The picture of LOLWUT: hills by night, other ones for each seed."""

WIDTH = 64
HEIGHT = 12
_RIDGES = (("^", 5), ("n", 3), ("~", 1))


class Dice:
    """Numbers that look random and follow from a seed (a linear congruential generator, Knuth's constants)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self._state >> 33) % limit


def landscape(seed: int) -> str:
    """Lines of a sky with stars and a moon over ridges, the nearest one in front."""
    dice = Dice(seed)
    rows = [["." if dice.below(40) == 0 else " " for _ in range(WIDTH)] for _ in range(HEIGHT)]
    moon = 4 + dice.below(WIDTH - 8)
    for row, text in ((1, ".--."), (2, "'--'")):
        rows[row][moon : moon + len(text)] = text
    for glyph, base in _RIDGES:
        height = base + dice.below(3)
        for column in range(WIDTH):
            height = min(HEIGHT - 5, max(1, height + dice.below(3) - 1))
            for row in range(HEIGHT - height, HEIGHT):
                rows[row][column] = glyph if row == HEIGHT - height else " "
    return "\n".join("".join(row).rstrip() for row in rows)
