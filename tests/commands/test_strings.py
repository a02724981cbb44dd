from harness import Client


def test_get_of_nothing_is_nil(client: Client) -> None:
    assert client.run("GET k") is None


def test_set_then_get(client: Client) -> None:
    assert client.run("SET k v") == "OK"
    assert client.run("GET k") == b"v"
