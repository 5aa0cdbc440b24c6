"""Search attributes and memo: what people find an instance by, and what its starter noted."""

from __future__ import annotations

import pytest

from actors import App, Workflow, command
from runtime import CommandInvalid
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place


class Parcel(Workflow):
    def __init__(self) -> None:
        self.arrived = False

    async def run(self, city: str, grams: int) -> None:
        self.set_search_attributes(city=city, grams=grams)
        await self.until(lambda: self.arrived)
        self.set_search_attributes(city=None, state="delivered")

    @command
    def arrive(self) -> None:
        self.arrived = True


APP = App(actors=[Parcel])


def test_instances_are_found_by_what_they_say_of_themselves(play: Play) -> None:
    """What the start and the code set is found by `list`, and what was taken away is not; also after a node has died."""

    async def story(place: Place) -> None:
        node = await place.node()
        client = await place.client()
        await client.start(Parcel, "1", "Bern", 500, search_attributes={"sender": "Ada"}, memo={"note": "fragile"})
        await client.start(Parcel, "2", "Bern", 900)
        await client.start(Parcel, "3", "Graz", 700, search_attributes={"sender": "Ada", "express": True})
        assert await found(place, "city=Bern") == {"Parcel/1", "Parcel/2"}
        assert await found(place, "city=Bern", "grams>600") == {"Parcel/2"}
        assert await found(place, "sender=Ada", "express=true") == {"Parcel/3"}
        assert (await place.log("Parcel/1"))[0][1]["memo"] == {"note": "fragile"}
        await place.kill(node)
        await place.node()
        await client.call(Parcel, "1", "arrive")
        await client.result(Parcel, "1")
        assert await found(place, "city=Bern") == {"Parcel/2"}
        (listed,) = await client.list(where=["state=delivered"])
        assert listed.execution.attributes == {"sender": "Ada", "grams": 500, "state": "delivered"}

    async def found(place: Place, *where: str) -> set[str]:
        return {listed.stream for listed in await (await place.client()).list(Parcel, where=where)}

    play(story, APP)


def test_attributes_that_can_not_be_kept_are_refused(play: Play) -> None:
    """Nothing is started, and a condition that is none says what one looks like."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        with pytest.raises(CommandInvalid, match="search attribute size can't be"):
            await client.start(Parcel, "1", "Bern", 1, search_attributes={"size": [1]})
        with pytest.raises(CommandInvalid, match="is no condition: expected such as customer=ACME"):
            await client.list(where=["city"])
        assert await client.list() == []

    play(story, APP)
