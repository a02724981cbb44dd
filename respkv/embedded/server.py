"""`running_server`: a whole server, sockets included, in a thread of a program."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator

import trio

from respkv.embedded.errors import StoreUnreadableError, store_error
from respkv.errors import StartupError
from respkv.net.admission import allow_descriptors
from respkv.net.service import Service
from respkv.server.config import Config


class ServerThread:
    """A server that runs in a thread of its own, from construction to `stop`.

    Raises: StartupError.
    """

    def __init__(self, config: Config, host: str) -> None:
        self._service = Service(config, announce=self._note_start, watches_signals=False)
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="respkv-server", daemon=True)
        service = self._service
        service.storage.lock()
        try:
            service.admission.open(any_port_of=host if not config.port else "")
            service.metrics.open()
            allow_descriptors(config.maxclients)
            self._thread.start()
            self._started.wait()
            if self._error is not None:
                raise self._error
        except BaseException:
            self._give_back()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first address that it listens at."""
        host, _, port = self._service.admission.listeners[0].name.rpartition(":")
        return host, int(port)

    def stop(self) -> None:
        """End connections, make the data durable, and return when everything is given back. Again: nothing."""
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._service.stop)
            self._token = None
        self._thread.join()
        self._give_back()

    def _give_back(self) -> None:
        self._service.metrics.close()
        self._service.admission.close()
        self._service.storage.unlock()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await self._service.main()

    def _note_start(self, loading_s: float) -> None:
        self._started.set()


@contextlib.contextmanager
def running_server(
    path: "str | os.PathLike[str] | None" = None, *, port: int = 0, **directives: str | int
) -> Iterator[str]:
    """A server in a thread of this process; the value is its URL, for any Redis client.

    >>> import redis, respkv
    >>> with respkv.running_server() as url:
    ...     with redis.Redis.from_url(url, decode_responses=True) as client:
    ...         client.set("k", "v"), client.get("k")
    (True, 'v')

    It is stopped at the end of the block: connections end, and the data are durable.

    Args:
        path: the data directory, made if it is missing. None: memory only.
        port: where to listen on 127.0.0.1; 0 lets the operating system choose.
        directives: configuration as in docs/config.md, with `_` for `-`: `maxmemory="100mb"`.

    Raises: StoreInUseError, StoreDamagedError, StoreUnreadableError (also for a port that is taken); ValueError for a
        directive that is not valid.
    """
    overrides = {"port": str(port), "bind": "127.0.0.1"} | {
        name.replace("_", "-"): str(value) for name, value in directives.items()
    }
    with contextlib.ExitStack() as stack:
        if path is None:
            # Nothing is kept there, but a server has a directory.
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="respkv-"))
            overrides = {"appendonly": "no"} | overrides
        else:
            directory = os.path.abspath(path)
            try:
                os.makedirs(directory, mode=0o700, exist_ok=True)
            except OSError as error:
                reason = f"cannot make the data directory {directory}: {error.strerror}"
                raise StoreUnreadableError(reason) from None
        try:
            server = ServerThread(Config(overrides | {"dir": directory}), "127.0.0.1")
        except StartupError as error:
            raise store_error(directory, error) from None
        stack.callback(server.stop)
        host, number = server.address
        yield f"redis://{host}:{number}/0"
