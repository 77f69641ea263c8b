"""Shares of the server: a company's load delays that company only."""

from __future__ import annotations

import threading

import anyio
import pytest

from cirrus_cloudlet.shares import Shares
from cirrus_cloudlet.submit import submit_all


@pytest.mark.attacker("print key")
def test_threads_of_a_company() -> None:
    """Block all threads of a company with a hundred requests: another company does not wait."""
    go_on = threading.Event()
    running: list[int] = []
    done: list[int] = []

    def block(number: int) -> None:
        running.append(number)
        assert go_on.wait(60)
        done.append(number)

    async def main() -> None:
        shares = Shares(submit_all)
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(shares.of("A").run, block, number)
            try:
                assert await shares.of("B").run(str.upper, "b") == "B"
                assert not done
                assert len(running) <= 8
            finally:
                go_on.set()

    anyio.run(main)
    assert sorted(done) == list(range(100))


@pytest.mark.attacker("print key")
def test_uploads_at_once() -> None:
    """Keep 256 uploads open at once: only uploads of the same key wait."""

    async def main() -> None:
        shares = Shares(submit_all)
        share = shares.of("A")
        async with anyio.create_task_group() as tasks:
            arrived: list[int] = []

            async def receive(number: int) -> None:
                async with share.receiving("key of A"):
                    arrived.append(number)
                    await anyio.sleep_forever()

            for number in range(300):
                tasks.start_soon(receive, number)
            while len(arrived) < 256:
                await anyio.sleep(0)
            async with share.receiving("another key"), shares.of("B").receiving("key of B"):
                assert len(arrived) == 256
            tasks.cancel_scope.cancel()

    anyio.run(main)


@pytest.mark.attacker("print key")
def test_page_images_of_a_company() -> None:
    """Submit PDF documents whose page images take long: another company's images are made at
    once."""
    go_on = threading.Event()
    running: list[int] = []

    def block(number: int) -> None:
        running.append(number)
        assert go_on.wait(60)

    async def main() -> None:
        shares = Shares(submit_all)
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(shares.of("A").paint, block, number)
            try:
                while not running:
                    await anyio.sleep(0)
                with anyio.fail_after(60):
                    assert await shares.of("B").paint(str.upper, "b") == "B"
                assert len(running) == 1
            finally:
                go_on.set()

    anyio.run(main)
    assert sorted(running) == list(range(10))
