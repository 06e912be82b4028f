"""The queue: each object once, one worker per object, nothing lost that was added meanwhile."""

import asyncio

from penstock_operator.workqueue import Key, WorkQueue

A, B = Key("PipelineRun", "ml", "a"), Key("PipelineRun", "ml", "b")


async def test_a_key_added_often_is_taken_once() -> None:
    queue = WorkQueue()
    for _ in range(5):
        queue.add(A)
    queue.add(B)
    assert [await queue.take(), await queue.take()] == [A, B]
    assert len(queue) == 0


async def test_a_key_added_while_it_is_worked_on_comes_again_but_not_before_it_is_done() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.take()
    queue.add(A)
    other = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not other.done()
    queue.done(A)
    assert await other == A


async def test_a_timer_comes_and_the_earlier_of_two_wins() -> None:
    queue = WorkQueue()
    queue.add_after(A, 3600)
    queue.add_after(A, 0.01)
    queue.add_after(A, 3600)
    assert await asyncio.wait_for(queue.take(), 10) == A


async def test_an_event_now_does_not_cancel_what_is_planned_for_later() -> None:
    queue = WorkQueue()
    queue.add_after(A, 0.05)
    queue.add(A)
    assert await queue.take() == A
    queue.done(A)
    assert await asyncio.wait_for(queue.take(), 10) == A


async def test_pauses_double_up_to_a_minute_and_begin_anew_after_a_success() -> None:
    queue = WorkQueue()
    pauses = [queue.failed(A) for _ in range(12)]
    assert all(0.5 * 2**n <= pause <= 1.0 * 2**n for n, pause in enumerate(pauses[:6]))
    assert all(30 <= pause <= 60 for pause in pauses[7:])
    queue.succeeded(A)
    assert queue.failed(A) <= 1.0
    queue.close()


async def test_a_closed_queue_hands_out_nothing_and_releases_who_waits() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.close()
    queue.add(A)
    assert await waiting is None
    assert await queue.take() is None
