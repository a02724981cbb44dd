from respkv.server.lolwut import HEIGHT, WIDTH, landscape


def test_a_picture_follows_from_its_seed() -> None:
    assert landscape(7) == landscape(7)
    assert landscape(7) != landscape(8)


def test_a_picture_has_its_size() -> None:
    for seed in range(50):
        rows = landscape(seed).split("\n")
        assert len(rows) == HEIGHT
        assert max(map(len, rows)) <= WIDTH
