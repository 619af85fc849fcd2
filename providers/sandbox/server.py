"""The sandbox server: its routes, its start and stop, and a handle for tests."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from providers.sandbox import faults, journal
from providers.sandbox.allomia import AlloMia
from providers.sandbox.callbacks import Callbacks
from providers.sandbox.callingbox import CallingBox
from providers.sandbox.forms import Refused
from providers.sandbox.plumvoice import PlumVoice
from providers.sandbox.polyai import PolyAI
from providers.sandbox.settings import Settings
from providers.sandbox.voice import Voice, answer_json
from providers.sandbox.world import World

T = TypeVar("T")
VOICES: tuple[type[Voice], ...] = (AlloMia, PolyAI, PlumVoice, CallingBox)

INDEX = """Trunkline sandbox: fake voice providers. No phone ever rings.

  /allomia  /polyai  /plumvoice  /callingbox   the four providers' APIs
  GET  /journal    every dial (?provider= ?to_number= ?after=<index>)
  GET  /control    settings, and the faults injected so far
  POST /control    change settings
  POST /reset      forget everything

The last two digits of the destination choose what happens; see docs/sandbox.md.
"""


class Sandbox:
    """The four fake providers, the journal and the control endpoint. All share one world."""

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        self.callbacks = Callbacks(self.world)
        self.voices = {voice.slug: voice(self.world, self.callbacks) for voice in VOICES}

    def application(self) -> web.Application:
        """Return the aiohttp application, not yet started."""
        app = web.Application(middlewares=[self._faults_and_errors])
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/journal", self._journal),
                web.get("/control", self._show_control),
                web.post("/control", self._control),
                web.post("/reset", self._reset),
            ]
        )
        for slug, voice in self.voices.items():
            app.add_routes([web.route(route.method, f"/{slug}{route.path}", route.handler) for route in voice.routes()])
        return app

    @web.middleware
    async def _faults_and_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply outages, and render aiohttp's own 404 and 405 in the provider's error format."""
        voice = self.voices.get(request.path.split("/")[1])
        if voice is None:
            return await handler(request)
        if voice.slug in self.world.settings.outage:
            self.world.requests["refused"] += 1
            return faults.drop(request)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return voice.error(request, Refused(error.status, error.reason))

    async def _index(self, request: web.Request) -> web.Response:
        return web.Response(text=INDEX)

    async def _journal(self, request: web.Request) -> web.Response:
        query = request.query
        after = query.get("after", "0")
        if not after.isdecimal():
            return answer_json({"error": "after must be an index"}, 400)
        found = self.dials(
            to_number=query.get("to_number", "").replace(" ", "+"),
            provider=query.get("provider", ""),
            after=int(after),
        )
        last = len(self.world.calls)
        return answer_json({"dials": found, "requests": dict(self.world.requests), "last": last})

    def dials(self, *, to_number: str = "", provider: str = "", after: int = 0) -> list[dict[str, Any]]:
        """Return the journal's entries, oldest first."""
        return journal.dials(self.world, self.voices, to_number=to_number, provider=provider, after=after)

    async def _show_control(self, request: web.Request) -> web.Response:
        return answer_json(self.state())

    def state(self) -> dict[str, Any]:
        """Return the settings, the number of injected faults of each kind, and the manners told."""
        return {
            "settings": asdict(self.world.settings),
            "faults": {where: dict(counts) for where, counts in self.world.faults.items()},
            "told": dict(sorted(self._told().items())),
        }

    def _told(self) -> Counter[str]:
        """Return in how many calls' answers each manner was used. One of a whole list counts once."""
        return Counter(self.world.told) + Counter(name for call in self.world.calls for name in call.told)

    def control(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Change settings. Existing calls keep their timelines. Raise ValueError for an invalid setting."""
        self.world.settings = self.world.settings.changed(wanted)
        return self.state()

    async def _control(self, request: web.Request) -> web.Response:
        try:
            wanted = json.loads(await request.read())
            if not isinstance(wanted, dict):
                raise ValueError("send a JSON object of settings")
            return answer_json(self.control(wanted))
        except ValueError as error:
            return answer_json({"error": str(error)}, 400)

    async def _reset(self, request: web.Request) -> web.Response:
        self.world.clear()
        return answer_json(self.state())


@asynccontextmanager
async def started(sandbox: Sandbox, host: str, port: int) -> AsyncIterator[str]:
    """Serve within the context and yield the URL. Port 0 picks a free port. Raise OSError if the port is in use."""
    runner = web.AppRunner(sandbox.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await sandbox.callbacks.open()
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await sandbox.callbacks.close()
        await runner.cleanup()


async def serve(sandbox: Sandbox, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. Call `announce` with the URL once the server accepts requests."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with started(sandbox, host, port) as url:
        announce(url)
        await stop.wait()


class Running:
    """A handle for a sandbox that runs in its own thread. Every method may be called from any thread."""

    def __init__(self, sandbox: Sandbox, url: str, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        self.url = url
        self._sandbox = sandbox
        self._loop = loop
        self._stop = stop

    def journal(self, *, to_number: str = "", provider: str = "", after: int = 0) -> list[dict[str, Any]]:
        """Return the dials so far, oldest first."""
        return self._inside(lambda: self._sandbox.dials(to_number=to_number, provider=provider, after=after))

    def control(self, **settings: Any) -> dict[str, Any]:
        """Change settings. Return all settings and the counts of injected faults. Raise ValueError if invalid."""
        return self._inside(lambda: self._sandbox.control(settings))

    def requests(self) -> dict[str, int]:
        """Return the number of requests of each kind."""
        return self._inside(lambda: dict(self._sandbox.world.requests))

    def reset(self) -> None:
        """Forget everything and restore the initial settings."""
        self._inside(self._sandbox.world.clear)

    def stop(self) -> None:
        """Tell the server to stop."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def _inside(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=10)


@contextmanager
def running(port: int = 0, *, speed: float = 1.0, seed: int = 1, host: str = "127.0.0.1") -> Iterator[Running]:
    """Run a sandbox in a daemon thread within the context. Raise the error that prevents its start, such as OSError."""
    sandbox = Sandbox(Settings().changed({"speed": speed, "seed": seed}))
    ready: Future[Running] = Future()
    thread = threading.Thread(target=_live, args=(sandbox, host, port, ready), name="sandbox", daemon=True)
    thread.start()
    try:
        handle = ready.result(timeout=10)
        try:
            yield handle
        finally:
            handle.stop()
    finally:
        thread.join(timeout=10)


def _live(sandbox: Sandbox, host: str, port: int, ready: Future[Running]) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        async with started(sandbox, host, port) as url:
            ready.set_result(Running(sandbox, url, asyncio.get_running_loop(), stop))
            await stop.wait()

    try:
        asyncio.run(main())
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)
