"""Recording histories: only those that are not there yet."""

from __future__ import annotations

from pathlib import Path

from actors.history import SUFFIX, write_history
from tests.golden.app import app
from tests.golden.stories import STORIES, Story
from tests.simulation.world import World, simulate

HISTORIES = Path(__file__).parent / "histories"
_HERE = f"{Path(__file__).resolve().parents[2]}/".encode()  # traces name files; where they lay is nobody's business


def files_of(story: str, folder: Path = HISTORIES) -> list[Path]:
    """The histories that a story has left in the folder."""
    return sorted((folder / story).glob(f"*{SUFFIX}"))


def record_missing(folder: Path = HISTORIES) -> list[Path]:
    """Record each story that has no history yet; gives the new files. One that is there is never touched."""
    return [
        file for name, story in STORIES.items() if not files_of(name, folder) for file in _record(name, story, folder)
    ]


def _record(name: str, story: Story, folder: Path) -> list[Path]:
    made: list[Path] = []
    for stream, lines in simulate(lambda world: _told(world, story), app).items():
        file = folder / name / f"{stream.replace('/', '-')}{SUFFIX}"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as output:
            output.writelines(line.replace(_HERE, b"") for line in lines)
        made.append(file)
    return made


async def _told(world: World, story: Story) -> dict[str, list[bytes]]:
    world.node()
    world.worker()
    async with world.client() as client:
        streams = await story(world, client)
    await world.stop_all()
    kept = {stream: world.store.log.streams[stream] for stream in streams}
    return {
        stream: list(write_history(stream, found.events, status=found.execution.status if found.execution else None))
        for stream, found in kept.items()
    }
