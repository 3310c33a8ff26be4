"""Pausing, resuming and forking in the console: a real browser on a gateway without a learner."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_world import World, world
from playwright.async_api import Page, async_playwright, expect
from test_gateway_jobs import GOOD
from test_gateway_lifecycle import RL, RUNNING, Owner

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        await there.judge(GOOD)
        yield there


@pytest.fixture
async def page(there: World) -> AsyncIterator[Page]:
    """An error in the page's scripts fails the test."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("BURNISH_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = await browser.new_page(
            viewport={"width": 1280, "height": 1000}, color_scheme="light", base_url=there.url
        )
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
    assert errors == []


async def test_a_job_is_paused_resumed_and_forked_by_hand(
    there: World, page: Page, tmp_path: Path
) -> None:
    owner = Owner(there)
    await owner.reward()
    job = await owner.create(stages=[RL], budget={"tokens": 1000})
    await there.update(job.id, RUNNING, "sampling")
    for step in (1, 2, 3):
        await there.step(job.id, step)
    await owner.keep(job.id, 3, 2)
    await page.goto(f"/#/jobs/{job.id}")
    state = page.locator("#job-state")
    await expect(state).to_contain_text("Running")
    await expect(page.locator("#resume-job")).to_be_hidden()
    await page.click("#pause-job")
    await expect(page.locator("#job-message")).to_contain_text("Pausing")
    assert (await owner.desired(job.id)).paused

    await owner.keep(job.id, 3, 2)
    await owner.rest(job.id, tokens=1000)
    await expect(state).to_contain_text("Paused")
    picture = Path(os.environ.get("BURNISH_SCREENSHOT") or tmp_path / "paused.png")
    await page.screenshot(path=picture, full_page=True)
    await expect(page.locator("#checkpoints")).to_be_hidden()  # the record of the pause has none
    await page.click("#resume-job")
    await page.click("#resume-with-budget")
    await expect(page.locator("dialog[open]")).to_contain_text("1,000 of 1,000 tokens are used up")
    await page.fill("#budget-tokens", "5000")
    await page.click("#resume-with-budget")
    await expect(state).to_contain_text("Queued")
    assert (await owner.desired(job.id)).budget.tokens == 5000
    await page.reload()
    await expect(page.locator("#tile-loss")).to_contain_text("step 3")  # old events came again
    await expect(state).to_contain_text("Queued")

    await owner.keep(job.id, 3, 2)
    await page.reload()
    await expect(page.locator("#checkpoints tr")).to_have_count(2)
    await page.click("#fork-job")
    await page.locator("#fork-step").select_option("2")
    await page.fill("#fork-steps", "2")
    await page.click("#start-fork")
    await expect(page.locator("#fork-error")).to_contain_text("nothing is left to do")
    await page.fill("#fork-steps", "9")
    await page.fill("#fork-name", "longer")
    await page.click("#start-fork")
    await expect(page.locator("#job-name")).to_have_text("longer")
    fork = await owner.get(await page.locator("#job-id").inner_text())
    assert fork.spec.stages[0].rl.steps == 9
    assert fork.spec.start.checkpoint.step == 2
