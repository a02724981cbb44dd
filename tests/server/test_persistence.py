from respkv.server.persistence import Persistence


def test_a_server_without_files_keeps_nothing_and_says_so() -> None:
    disk = Persistence()
    assert not disk.save()
    assert not disk.start_save()
    assert not disk.start_rewrite()
    assert not disk.sync()
    assert not disk.shut_down(save=None, now=False, force=False)
    assert not disk.abort_shutdown()
    assert not disk.reload(save=True, flush=True, merge=False)
    assert not disk.reload_log()


def test_what_is_scheduled_is_remembered() -> None:
    disk = Persistence()
    disk.schedule_save()
    disk.schedule_rewrite()
    assert disk.is_save_scheduled
    assert disk.is_rewrite_scheduled
