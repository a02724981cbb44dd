import resource

from respkv.server import process


def test_resident_memory_is_between_what_python_takes_and_what_it_ever_took() -> None:
    # The kernel brings its own highest figure up to date only now and then.
    assert 5_000_000 < process.resident_bytes() <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * 1.1


def test_the_machine_has_more_memory_than_the_process() -> None:
    assert process.system_memory_bytes() > process.resident_bytes()


def test_times_have_the_names_of_info() -> None:
    times = process.cpu_times_s()
    assert times["used_cpu_user"] > 0
    assert {"used_cpu_sys", "used_cpu_sys_children", "used_cpu_user_children"} <= times.keys()


def test_giving_back_does_no_harm() -> None:
    process.give_back()
    assert process.allocator()
