"""Onboarding: a workflow that calls two services at once, waits for a person, and does not wait for ever.

perdure dev examples.onboarding:app
perdure start Onboarding/ada --input '{"email": "ada@example.org"}'
perdure query Onboarding/ada status
perdure send Onboarding/ada confirm
perdure result Onboarding/ada
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from actors import App, Failure, Retry, Workflow, command, query, task

TWO_WEEKS = 14 * 86_400


class NeverConfirmed(Failure):
    """The customer did not answer."""


class Welcome(Struct):
    email: str
    account: str
    score: int


@task(retry=Retry(max_attempts=5), timeout=10)
async def create_account(email: str) -> str:
    """Call the account service; the same e-mail gives the same account, so a second attempt does no harm."""
    return f"account-of-{email.partition('@')[0]}"


@task(timeout=10)
async def check_credit(email: str) -> int:
    """Call the credit service."""
    return 700 + len(email)


@task
async def send_mail(email: str, text: str) -> None:
    """Call the mail service."""


class Onboarding(Workflow):
    """Ordinary asyncio code; what it awaits is durable."""

    def __init__(self) -> None:
        self.confirmed = False

    async def run(self, email: str) -> Welcome:
        account, score = await asyncio.gather(create_account(email), check_credit(email))
        await send_mail(email, "please confirm")
        try:
            async with asyncio.timeout(TWO_WEEKS):
                await self.until(lambda: self.confirmed)
        except TimeoutError:
            raise NeverConfirmed(f"{email} did not answer within two weeks") from None
        await send_mail(email, "welcome")
        return Welcome(email, account, score)

    @command
    def confirm(self) -> None:
        self.confirmed = True

    @query
    def status(self) -> str:
        return "confirmed" if self.confirmed else "waiting for the customer"


app = App(actors=[Onboarding], tasks=[create_account, check_credit, send_mail])
