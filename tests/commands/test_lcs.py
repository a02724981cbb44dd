"""LCS. How the subsequence is found: test_subsequence."""

from harness import Client, World


def test_lcs_is_refused_where_the_reference_had_no_memory(client: Client, world: World) -> None:
    world.engine.bulk_max_bytes = 4 * 4 * 5
    client.run("MSET a abc b abcd c abcde")
    assert client.run("LCS a b") == b"abc"
    assert client.error("LCS a c LEN") == "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"


def test_lcs_idx_is_a_map(client3: Client) -> None:
    client3.run("MSET a ohmytext b mynewtext")
    assert client3.run("LCS a b IDX WITHMATCHLEN MINMATCHLEN 3") == {
        b"matches": [[[4, 7], [5, 8], 4]],
        b"len": 6,
    }
