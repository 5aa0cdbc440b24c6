"""Everything that a user can get wrong before a system is reached: one line, and a status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line

pytestmark = pytest.mark.timeout(120)

FreshAddress = Callable[[], Awaitable[str]]
NOWHERE = "postgresql://postgres@127.0.0.1:1/postgres"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("bogus",), "No such command"),
        (("start",), "Missing argument"),
        (("start", "Order"), "expected type/id"),
        (("start", "Order/a b"), "white space"),
        (("start", "Order/1", "--input", "{"), "--input can't be taken"),
        (("start", "Order/1", "--input", "@missing.json"), "No such file"),
        (("list",), "no database: set PERDURE_DATABASE_URL"),
        (("list", "--status", "odd"), "--status is one of"),
        (("list", "--database-url", "mysql://x/y"), "must begin with postgresql://"),
        (("list", "--database-url", NOWHERE), "did not answer"),
        (("list", "--data", "nothing"), "nothing holds no data of Perdure"),
        (("migrate", "--database-url", NOWHERE), "did not answer"),
        (("migrate", "--database-url", NOWHERE, "--partitions", "0"), "--partitions"),
        (("node", "shop", "--database-url", NOWHERE), "expected module:app"),
        (("node", "shop:app", "--database-url", NOWHERE), "no module 'shop'"),
        (("node", "broken:app", "--database-url", NOWHERE), "broken.py:2: NameError"),
        (("dev", "broken:app"), "broken.py:2: NameError"),
        (("worker", "idle:app", "--database-url", NOWHERE), "no tasks for a worker"),
        (("node", "idle:app", "--database-url", NOWHERE), "did not answer"),
        (("node", "idle:app", "--database-url", NOWHERE, "--log-level", "loud"), "--log-level is"),
        (("replay", "Order/1", "--database-url", NOWHERE), "did not answer"),
        (("demo", "--kills", "1"), "--kills"),
    ],
)
def test_a_mistake_is_one_line(perdure: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    """Never a traceback."""
    (perdure.folder / "broken.py").write_text("from actors import App\napp = App(actors=[Missing])\n")
    (perdure.folder / "idle.py").write_text("from actors import App\napp = App()\n")
    assert complaint in one_line(perdure(*arguments))


async def test_wrong_credentials(perdure: CommandLine, postgres_url: str) -> None:
    """The message names what to check, and holds no password."""
    scheme, _, rest = postgres_url.partition("://")
    wrong = f"{scheme}://postgres:sesame@{rest.rpartition('@')[2]}"
    complaint = one_line(perdure("list", "--database-url", wrong))
    assert "refuses the connection" in complaint
    assert "sesame" not in complaint


async def test_a_database_that_is_not_migrated(perdure: CommandLine, fresh_database: FreshAddress) -> None:
    """Every command says what to run, and the doctor finds it, too."""
    url = await fresh_database()
    assert "perdure migrate" in one_line(perdure("list", PERDURE_DATABASE_URL=url))
    assert "perdure migrate" in one_line(perdure("start", "Order/1", PERDURE_DATABASE_URL=url))
    examined = perdure("doctor", "--json", PERDURE_DATABASE_URL=url)
    assert examined.status == 1
    assert [(f["check"], f["ok"]) for f in examined.json_lines[:2]] == [("database", True), ("schema", False)]


async def test_migrating_twice(perdure: CommandLine, fresh_database: FreshAddress) -> None:
    """The second time there is nothing to do; another number of partitions is refused."""
    url = await fresh_database()
    assert perdure("migrate", "--json", PERDURE_DATABASE_URL=url).json["applied"]
    assert perdure("migrate", "--json", PERDURE_DATABASE_URL=url).json == {"applied": []}
    assert "8 partitions" in one_line(perdure("migrate", "--partitions", "4", PERDURE_DATABASE_URL=url))


async def test_a_system_without_nodes(perdure: CommandLine, fresh_database: FreshAddress) -> None:
    """A command gets no answer in time and says where to look; the doctor names the reason."""
    url = await fresh_database()
    perdure("migrate", PERDURE_DATABASE_URL=url)
    assert "perdure doctor" in one_line(perdure("query", "Order/1", "x", "--timeout", "1", PERDURE_DATABASE_URL=url))
    examined = perdure("doctor", PERDURE_DATABASE_URL=url)
    assert examined.status == 1
    assert "no node runs" in examined.output


async def test_a_broker_that_does_not_answer(perdure: CommandLine, fresh_database: FreshAddress) -> None:
    """The broker is named, and the database is not blamed."""
    urls = {"PERDURE_DATABASE_URL": await fresh_database(), "PERDURE_BROKER_URL": "amqp://guest:guest@127.0.0.1:1/"}
    assert "RabbitMQ does not answer" in one_line(perdure("migrate", **urls))


def test_the_reader_that_has_enough(perdure: CommandLine) -> None:
    """Help goes to standard output, and no arguments at all mean help."""
    assert perdure("--help").output == perdure().output
    assert perdure("--version").status == 0
