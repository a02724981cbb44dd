import os
import select

import pytest

from respkv.persistence.wakeup import Wakeup


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_waking_up_by_either_kind_of_descriptor(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform == "linux" and not hasattr(os, "eventfd"):
        pytest.skip("no eventfd here")
    monkeypatch.setattr("sys.platform", platform)
    wakeup = Wakeup()
    for _ in range(3):
        assert not select.select([wakeup.fd], [], [], 0)[0]
        wakeup.clear()
        wakeup.set()
        wakeup.set()
        assert select.select([wakeup.fd], [], [], 0)[0]
        wakeup.clear()
    wakeup.close()
