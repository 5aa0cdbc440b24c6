"""Deletion and retention: the ways in which a whole instance leaves the log."""

from __future__ import annotations

import pytest

from actors import App, Workflow, command, task
from runtime import Conflict, NotFound
from runtime.messages import Delete, Status
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import Stock


@task
async def wrap(name: str) -> str:
    return f"wrapped {name}"


class Gift(Workflow):
    def __init__(self) -> None:
        self.given = False

    async def run(self, name: str) -> str:
        wrapped = await wrap(name)
        await self.until(lambda: self.given)
        return wrapped

    @command
    def give(self) -> None:
        self.given = True


class Host(Workflow):
    async def run(self) -> None:
        self.start_child(Gift, "child", "ball", on_close="abandon")


APP = App(actors=[Stock, Gift, Host], tasks=[wrap])


def test_a_deleted_actor_begins_anew(play: Play) -> None:
    """Its events are gone, its queries know nothing of them, and its id is free; a command of before is not run again."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        client = await place.client()
        await client.call(Stock, "tea", "add", 5, command_id="first")
        await client.delete(Stock, "tea")
        assert await place.types("Stock/tea") == ["InstanceDeleted"]
        assert await client.query(Stock, "tea", "units") == 0
        assert await client.call(Stock, "tea", "add", 5, command_id="first") == 5
        assert await place.types("Stock/tea") == ["InstanceDeleted"]
        assert await client.call(Stock, "tea", "add", 2) == 2
        assert await place.types("Stock/tea") == ["InstanceDeleted", "Added"]

    play(story, APP)


def test_a_workflow_is_deleted_when_it_has_ended(play: Play) -> None:
    """Not before; then all of it goes, and its id can be started with other input."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Gift, "1", "book")
        with pytest.raises(Conflict, match="still has something to do"):
            await client.delete(Gift, "1")
        await client.call(Gift, "1", "give")
        assert await client.result(Gift, "1") == "wrapped book"
        await client.delete(Gift, "1")
        with pytest.raises(NotFound, match="not any more"):
            await client.delete(Gift, "1")
        assert await client.list(Gift) == []
        await client.start(Gift, "1", "ball")
        assert (await place.types("Gift/1"))[:2] == ["InstanceDeleted", "RunStarted"]

    play(story, APP)


def test_an_id_that_is_used_again_counts_on(play: Play) -> None:
    """No key of a task is used twice, commands of before get their first answer, and new ones hold nothing up."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        await place.worker()
        client = await place.client()
        for life, ids in ((1, ["first"]), (2, ["first", "second"])):
            await client.start(Gift, "1", "book", command_id=f"start-{life}")
            for id in ids:
                assert await client.call(Gift, "1", "give", command_id=id) is None
            assert await client.result(Gift, "1") == "wrapped book"
            tasks = [data["task"] for type, data in await place.log("Gift/1") if type == "TaskScheduled"]
            assert tasks == [life]
            await client.delete(Gift, "1")
            assert await client.start(Gift, "1", "book", command_id=f"start-{life}") is True, (
                "said again, it is no start"
            )
            assert await place.types("Gift/1") == ["InstanceDeleted"]

    play(story, APP)


def test_deleting_under_load_loses_no_command(play: Play) -> None:
    """Each command that was answered is either in the log or went with a deletion that came after it."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        client = await place.client()
        await client.call(Stock, "tea", "add", 1)
        for _ in range(10):
            await client.delete(Stock, "tea")
            for expected in (1, 2, 3):
                assert await client.call(Stock, "tea", "add", 1) == expected
        assert await place.types("Stock/tea") == ["InstanceDeleted", *["Added"] * 3]

    play(story, APP)


def test_a_deletion_that_comes_again_deletes_nothing_new(play: Play) -> None:
    """What began under the id since then stays, and the request hears its first answer."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        client = await place.client()
        await client.call(Stock, "tea", "add", 5)
        request = Delete(type="Stock", id="tea", command_id="away")
        assert (await client._asker.ask(request, 20.0)).status is Status.OK
        await client.call(Stock, "tea", "add", 2)
        assert (await client._asker.ask(request, 20.0)).status is Status.OK
        assert await client.query(Stock, "tea", "units") == 2

    play(story, APP)


def test_a_deletion_that_was_refused_stays_so_when_it_comes_again(play: Play) -> None:
    """Who was told that the instance is still there must not lose it to a repetition of the same message."""

    async def story(place: Place) -> None:
        place.deletes = True
        first = await place.node()
        await place.worker()
        client = await place.client()
        early = Delete(type="Stock", id="tea", command_id="away")
        running = Delete(type="Gift", id="1", command_id="away")
        assert (await client._asker.ask(early, 20.0)).status is Status.NOT_FOUND
        await client.start(Gift, "1", "book")
        assert (await client._asker.ask(running, 20.0)).status is Status.CONFLICT
        await client.call(Stock, "tea", "add", 2)
        await client.call(Gift, "1", "give")
        assert await client.result(Gift, "1") == "wrapped book"
        for _ in range(2):
            assert (await client._asker.ask(early, 60.0)).status is Status.NOT_FOUND
            assert (await client._asker.ask(running, 60.0)).status is Status.CONFLICT
            await place.stop(first)
            first = await place.node()
        assert await client.query(Stock, "tea", "units") == 2
        assert await client.result(Gift, "1") == "wrapped book"
        await client.delete(Stock, "tea")
        await client.delete(Gift, "1")

    play(story, APP)


def test_a_workflow_goes_before_its_child(play: Play) -> None:
    """The child's end finds nobody, and closes the row that waited for it."""

    async def story(place: Place) -> None:
        place.deletes = True
        await place.node()
        await place.worker()
        client = await place.client()
        await client.execute(Host, "1")
        await client.delete(Host, "1")
        await client.call(Gift, "child", "give")
        assert await client.result(Gift, "child") == "wrapped ball"

    play(story, APP)  # which sees that no row is left
