"""A small app that many tests of the runtime share."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from actors import Actor, App, Rejected, Workflow, command, event, query, task, task_context

RAN: list[str] = []


class Deposited(Struct):
    amount: int


class Balance(Struct):
    value: int = 0
    history: list[int] = []


class Account(Actor):
    state: Balance

    @command
    def deposit(self, amount: int) -> int:
        self.emit(Deposited(amount))
        return self.state.value

    @command
    def refuse(self, amount: int) -> int:
        self.emit(Deposited(amount))
        raise Rejected("no")

    @command
    def crash(self) -> None:
        self.emit(Deposited(1))
        raise ZeroDivisionError("a mistake")

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.value += e.amount
        self.state.history.append(e.amount)

    @query
    def balance(self) -> int:
        return self.state.value

    @query
    def history(self) -> list[int]:
        return self.state.history


@task
async def work(name: str) -> str:
    RAN.append(f"{name} {task_context().attempt}")
    return f"{name} done"


@task(queue="long", timeout=1200)
async def long_work() -> str:
    RAN.append("began")
    await asyncio.sleep(600)
    RAN.append("ended")
    return "long"


class Working(Workflow):
    async def run(self, name: str) -> str:
        return await work(name)


class LongWorking(Workflow):
    async def run(self) -> str:
        return await long_work()


class Sleeping(Workflow):
    def __init__(self) -> None:
        self.rung = 0

    async def run(self, seconds: float) -> float:
        began = self.now()
        self.log.info("goes to sleep", seconds=seconds)
        await asyncio.sleep(seconds)
        return (self.now() - began).total_seconds()

    @command
    def ring(self) -> int:
        self.rung += 1
        return self.rung

    @query
    def rings(self) -> int:
        return self.rung


BANK = App(actors=[Account, Working, LongWorking, Sleeping], tasks=[work, long_work])
