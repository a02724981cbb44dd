"""CLIENT TRACKING as a real client library uses it, and in redis-cli's transcripts. More: compat cases `tracking`."""

from harness import Client, World


def test_getredir_and_trackinginfo_say_what_was_settled(client: Client, world: World) -> None:
    other = world.connect().session.number
    assert client.run("CLIENT GETREDIR") == -1
    client.run("CLIENT", "TRACKING", "ON", "REDIRECT", other, "OPTOUT", "NOLOOP")
    assert client.run("CLIENT GETREDIR") == other
    assert client.run("CLIENT TRACKINGINFO") == [
        b"flags",
        [b"on", b"optout", b"noloop"],
        b"redirect",
        other,
        b"prefixes",
        [],
    ]


def test_prefixes_are_added_to_those_there_are(client3: Client) -> None:
    client3.run("CLIENT TRACKING ON BCAST PREFIX b")
    client3.run("CLIENT TRACKING ON BCAST PREFIX a")
    assert client3.run("CLIENT TRACKINGINFO")[b"prefixes"] == [b"a", b"b"]
    assert "overlaps with an existing prefix" in client3.error("CLIENT TRACKING ON BCAST PREFIX ab")


def test_a_refused_change_leaves_tracking_as_it_was(client3: Client) -> None:
    client3.run("CLIENT TRACKING ON OPTIN")
    client3.error("CLIENT TRACKING ON BCAST")
    assert client3.run("CLIENT TRACKINGINFO")[b"flags"] == {b"on", b"optin"}
